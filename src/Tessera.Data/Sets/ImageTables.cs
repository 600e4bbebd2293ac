using Tessera.Data.Formats;
using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own that tables name, with any number of labels each or with one class each.</summary>
/// <param name="name">Of the data set.</param>
/// <param name="single">Whether every image has one class.</param>
internal sealed class ImageTables(string name, bool single)
{
    private const string WholeTable = "labels";

    internal static DatasetKind MultiLabel { get; } =
        new ImageTables("multi_label", single: false).Kind(
            "images of your own with any number of labels each, from a table: train.csv, labels.json, ..."
        );

    internal static DatasetKind OneClass { get; } =
        new ImageTables("image_table", single: true).Kind(
            "images of your own with a class each, from a table: train.csv, labels.json, ..."
        );

    private DatasetKind Kind(string summary) =>
        new(name, summary, SplitNames.All, name, Open)
        {
            SplitsIn = root => [.. SplitNames.Groups.Where(names => Has(root, names)).Select(names => names[0])],
        };

    private bool Has(string root, string[] names)
    {
        var tables = Existing(root, names);
        return tables.Length > 0
            || Existing(root, [WholeTable]).Any(path => MultiLabelTable.Read(path, single).Rows.Any(row => names.Contains(row.Split)));
    }

    private FileImages Open(string split, string? root)
    {
        if (root is null)
            throw new DataException($"{name}: data.root must name the folder");
        var tables = Tables(root, SplitNames.Of(split)!);
        var separator = single ? null : Separator(tables, root);
        var rows = tables
            .SelectMany(table => table.Rows.Select(row => (Table: table, Row: row, Labels: Labels(table, row, separator))))
            .ToArray();
        var classes = ClassList.Of(root, rows.SelectMany(entry => entry.Labels).Concat(tables.SelectMany(table => table.Classes ?? [])));
        var numbers = classes.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        foreach (var table in tables)
            CheckColumns(table, numbers);
        var (paths, labels) = (new List<string>(), new List<int[]>());
        var found = new Dictionary<(string Table, string File), int>();
        string? folder = null;
        foreach (var (table, row, names) in rows)
        {
            var file = Relative(table, row);
            if (!found.TryAdd((table.Path, file), row.Line))
                throw table.Wrong(row, $"'{row.File}' was in line {found[(table.Path, file)]} already");
            int[] present =
            [
                .. names.Select(name =>
                    numbers.TryGetValue(name, out var number)
                        ? number
                        : throw table.Wrong(row, $"'{name}' is none of the classes of classes.txt{Taken(row, separator)}")
                ),
            ];
            if (single && present.Length != 1)
                throw table.Wrong(row, $"an image must have one class, and this one has {present.Length}");
            if (names.CountBy(name => name).FirstOrDefault(name => name.Value > 1).Key is { } twice)
                throw table.Wrong(row, $"'{twice}' is there twice{Taken(row, separator)}");
            if (!IsPartOf(table, row, split))
                continue;
            folder ??= FolderOf(table, row, root, file, split);
            var path = WithEnding(Path.Combine(folder, file)) ?? throw table.Wrong(row, $"there is no image {Path.Combine(folder, file)}");
            paths.Add(path);
            labels.Add(present);
        }
        if (paths.Count == 0)
            throw new DataException($"{name} ({split}): the tables in {root} name no image of this split");
        return new(
            name,
            split,
            paths,
            single
                ? new ClassLabels(classes, [.. labels.Select(own => own[0])], $"{name} ({split})")
                : new MultiLabels(classes, labels, $"{name} ({split})")
        );
    }

    private static string[] Existing(string root, IEnumerable<string> names) =>
        [
            .. names
                .SelectMany(name => MultiLabelTable.Extensions.Select(extension => Path.Combine(root, name + extension)))
                .Where(File.Exists),
        ];

    /// <summary>All tables of a folder: one per split, or one for all.</summary>
    private List<MultiLabelTable> Tables(string root, string[] wanted)
    {
        var whole = Existing(root, [WholeTable]);
        string[][] parts = [.. SplitNames.Groups.Select(names => Existing(root, names))];
        foreach (string[] candidates in (string[][])[whole, .. parts, [.. whole, .. parts.FirstOrDefault(part => part.Length > 0) ?? []]])
            if (candidates.Length > 1)
                throw new DataException($"{name}: {candidates[0]} and {candidates[1]} are both there: one of them must go");
        var own = parts[Array.FindIndex(SplitNames.Groups, names => names == wanted)];
        if (whole.Length == 0 && own.Length == 0)
            throw new DataException(
                $"{name}: {root} must hold {wanted[0]} or {WholeTable} with one of the endings "
                    + $"{string.Join(", ", MultiLabelTable.Extensions)}"
            );
        var tables = new List<MultiLabelTable>();
        foreach (var path in whole)
        {
            var table = MultiLabelTable.Read(path, single);
            foreach (var row in table.Rows)
                if (row.Split is null || SplitNames.Of(row.Split) is null)
                    throw table.Wrong(
                        row,
                        row.Split is null
                            ? "the image has no 'split'; a table for one split must be called train, val or test"
                            : $"the split '{row.Split}' must be one of {string.Join(", ", SplitNames.All)}"
                    );
            tables.Add(table);
        }
        foreach (var path in parts.SelectMany(part => part))
        {
            var table = MultiLabelTable.Read(path, single);
            if (table.Rows.FirstOrDefault(row => row.Split is not null) is { } row)
                throw table.Wrong(row, $"'split' belongs in {WholeTable}.csv or {WholeTable}.json; the name of this file is its split");
            tables.Add(table);
        }
        return tables;
    }

    private static bool IsPartOf(MultiLabelTable table, MultiLabelRow row, string split) =>
        SplitNames.Of(split)!.Contains(row.Split ?? Path.GetFileNameWithoutExtension(table.Path));

    /// <summary>
    /// The character between labels in one column: the same in all tables of a folder, so that a short table is not misread.
    /// </summary>
    /// <returns>Null where a cell is one label, since names of classes hold spaces.</returns>
    private static char? Separator(List<MultiLabelTable> tables, string root)
    {
        var lists = tables
            .SelectMany(table => table.Rows.Select(row => (Table: table, Row: row)))
            .Where(entry => entry.Row.List is not null);
        var (bar, semicolon) = (Find('|'), Find(';'));
        if (bar.Row is not null && semicolon.Row is not null)
            throw bar.Table.Wrong(
                bar.Row,
                $"labels are separated by '|' here and by ';' in line {semicolon.Row.Line} of {Path.GetFileName(semicolon.Table.Path)}: "
                    + "it must be one of them"
            );
        return bar.Row is not null ? '|'
            : semicolon.Row is not null ? ';'
            : ClassList.Read(root)?.Any(name => name.Contains(' ')) == true ? null
            : ' ';

        (MultiLabelTable Table, MultiLabelRow Row) Find(char character) =>
            lists.FirstOrDefault(entry => entry.Row.List!.Contains(character));
    }

    private static string Taken(MultiLabelRow row, char? separator) =>
        row.List is null ? ""
        : separator is null ? " (each cell was taken as one label)"
        : $" (labels were taken to be separated by '{separator}')";

    private static IReadOnlyList<string> Labels(MultiLabelTable table, MultiLabelRow row, char? separator)
    {
        if (row.List is "")
            return [];
        var labels =
            row.List is null ? row.Labels
            : separator is null ? [row.List]
            : separator is ' ' ? row.List.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            : row.List.Split(separator.Value, StringSplitOptions.TrimEntries);
        return labels.All(label => label.Length > 0) ? labels : throw table.Wrong(row, $"a label is empty{Taken(row, separator)}");
    }

    private static void CheckColumns(MultiLabelTable table, Dictionary<string, int> classes)
    {
        if (table.Classes is null)
            return;
        if (table.Classes.FirstOrDefault(name => !classes.ContainsKey(name)) is { } unknown)
            throw new DataFormatException(table.Path, null, $"line 1: column '{unknown}' is none of the classes of classes.txt");
        if (classes.Keys.Except(table.Classes).Order(StringComparer.Ordinal).FirstOrDefault() is { } missing)
            throw new DataFormatException(table.Path, null, $"line 1: there must be a column for every class, and '{missing}' has none");
    }

    /// <summary>The path of a row below the folder of images, in one spelling.</summary>
    private static string Relative(MultiLabelTable table, MultiLabelRow row)
    {
        string[] parts = [.. row.File.Split('/').Where(part => part.Length > 0 && part != ".")];
        return Path.IsPathRooted(row.File) || parts.Contains("..") || parts.Length == 0
            ? throw table.Wrong(row, $"'{row.File}' must be a path below the folder of the table")
            : string.Join('/', parts);
    }

    // Beside the tables, in images, or in a folder that is called like the split.
    private static string FolderOf(MultiLabelTable table, MultiLabelRow row, string root, string file, string split)
    {
        string[] folders = [root, Path.Combine(root, "images"), .. SplitNames.Of(split)!.Select(part => Path.Combine(root, part))];
        return folders.Where(folder => WithEnding(Path.Combine(folder, file)) is not null).ToArray() switch
        {
            [var one] => one,
            [] => throw table.Wrong(
                row,
                $"there is no image {string.Join(" or ", folders.Take(2).Select(folder => Path.Combine(folder, file)))}"
            ),
            [var first, var second, ..] => throw table.Wrong(row, $"'{file}' is both in {first} and in {second}: one of them must go"),
        };
    }

    // Tables of competitions name images without the ending of their files.
    private static string? WithEnding(string path) =>
        File.Exists(path) ? path
        : ImageDecoder.Extensions.Contains(Path.GetExtension(path).ToLowerInvariant()) ? null
        : ImageDecoder.Extensions.Select(ending => path + ending).FirstOrDefault(File.Exists);
}
