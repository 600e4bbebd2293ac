using System.Globalization;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Published sets of products for retrieval, whose classes in test are others than those in training.</summary>
internal static class RetrievalSets
{
    private const string Training = "train",
        Test = "test",
        Query = "query",
        Gallery = "gallery";

    private static readonly char[] blanks = [' ', '\t'];

    internal static DatasetKind Products { get; } =
        new(
            "sop",
            "Stanford Online Products: 120,053 photographs of 22,634 products",
            [Training, Test],
            "Stanford_Online_Products",
            OpenProducts
        )
        {
            OtherClasses = true,
        };

    internal static DatasetKind InShop { get; } =
        new(
            "in_shop",
            "In-Shop Clothes: 52,712 photographs of 7,982 pieces of clothing",
            [Training, Test, Query, Gallery],
            "in_shop",
            OpenInShop
        )
        {
            Disjoint = [Training, Test],
            OtherClasses = true,
        };

    private static FileImages OpenProducts(string split, string? root)
    {
        var folder = Places.Find("sop", root, "Stanford_Online_Products", "Ebay_train.txt");
        var list = Path.Combine(folder, split == Training ? "Ebay_train.txt" : "Ebay_test.txt");
        var rows = Rows(list, "image_id class_id super_class_id path", skipped: 1);
        var (names, labels) = (new Dictionary<string, int>(StringComparer.Ordinal), new List<int>());
        foreach (var (line, cells) in rows)
        {
            if (!int.TryParse(cells[1], NumberStyles.None, CultureInfo.InvariantCulture, out var product))
                throw new DataFormatException(list, null, $"line {line}: class_id must be a number, not '{cells[1]}'");
            // The folder of a kind of product ends with _final.
            var kind = cells[3].Split('/')[0].Replace("_final", "", StringComparison.Ordinal);
            labels.Add(LabelOf(names, $"{kind} {product}"));
        }
        return Files("sop", split, folder, list, names, labels, rows.Select(row => (row.Line, row.Cells[3])));
    }

    private static FileImages OpenInShop(string split, string? root)
    {
        const string Marker = "Eval/list_eval_partition.txt";
        var folder = Places.Find("in_shop", root, "in_shop", Marker);
        var list = Path.Combine(folder, Marker);
        var all = Rows(list, "image_name item_id evaluation_status", skipped: 2);
        var first = DataFiles.Lines(list)[0].Trim();
        if (first != all.Count.ToString(CultureInfo.InvariantCulture))
            throw new DataFormatException(list, null, $"line 1 is '{first}', and {all.Count} images follow: both must be the same number");
        if (all.FirstOrDefault(row => row.Cells[2] is not (Training or Query or Gallery)) is { Cells: not null } wrong)
            throw new DataFormatException(list, null, $"line {wrong.Line}: '{wrong.Cells[2]}' must be train, query or gallery");
        var rows = all.Where(row => row.Cells[2] == split || (split == Test && row.Cells[2] != Training)).ToArray();
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        var labels = rows.Select(row => LabelOf(names, row.Cells[1])).ToList();
        // The archives have the images in a folder Img.
        var images = Directory.Exists(Path.Combine(folder, "img")) ? folder : Path.Combine(folder, "Img");
        var files = Files("in_shop", split, images, list, names, labels, rows.Select(row => (row.Line, row.Cells[0])));
        return split == Test
            ? new(
                files.Name,
                split,
                [.. Enumerable.Range(0, files.Count).Select(files.SampleName)],
                new QueryGalleryLabels(ClassLabels.Of(files), [.. rows.Select(row => row.Cells[2] == Query)])
            )
            : files;
    }

    private static int LabelOf(Dictionary<string, int> names, string name)
    {
        if (!names.TryGetValue(name, out var label))
            names[name] = label = names.Count;
        return label;
    }

    private static FileImages Files(
        string name,
        string split,
        string folder,
        string list,
        Dictionary<string, int> classes,
        List<int> labels,
        IEnumerable<(int Line, string File)> files
    )
    {
        List<string> paths = [];
        foreach (var (line, file) in files)
            paths.Add(
                Path.IsPathRooted(file) || file.Split('/').Contains("..")
                    ? throw new DataFormatException(list, null, $"line {line}: '{file}' must be a path below {folder}")
                    : Path.Combine(folder, file)
            );
        return paths.Count > 0
            ? new(name, split, [.. classes.Keys], paths, labels)
            : throw new DataFormatException(list, null, $"there is no image of {split}");
    }

    // Cells of every line below the head, which is the last of the skipped lines.
    private static List<(int Line, string[] Cells)> Rows(string list, string head, int skipped)
    {
        var lines = DataFiles.Lines(list);
        var columns = head.Split(' ');
        if (lines.Length < skipped || !Cells(lines[skipped - 1]).SequenceEqual(columns))
            throw new DataFormatException(list, null, $"line {skipped} must be '{head}'");
        return
        [
            .. lines
                .Skip(skipped)
                .Select(
                    (line, i) =>
                        (Line: skipped + i + 1, Cells: Cells(line)) is var row && row.Cells.Length == columns.Length
                            ? row
                            : throw new DataFormatException(list, null, $"line {row.Line}: it must have {columns.Length} cells: {head}")
                ),
        ];
    }

    private static string[] Cells(string line) => line.Split(blanks, StringSplitOptions.RemoveEmptyEntries);
}
