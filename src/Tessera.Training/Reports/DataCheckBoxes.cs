using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>The objects of a data set on the page about it: a table of the classes, charts, and samples under their boxes.</summary>
internal static class DataCheckBoxes
{
    private const int MostSamples = 12;
    private const int MostOdd = 12;
    private const int MostNamed = 40;

    private const string Head =
        """<th class="number">objects</th><th class="number">images</th><th class="number">small</th>"""
        + """<th class="number">medium</th><th class="number">large</th>""";

    // Numbers of objects of an image that share a bar: the most of each.
    private static readonly int[] bins = [0, 1, 2, 3, 5, 10, 20, 50, 100, int.MaxValue];

    /// <summary>Objects of each class per split, the most frequent first; empty where there are no boxes.</summary>
    /// <param name="report">What was found.</param>
    internal static string Table(CheckReport report)
    {
        var splits = Splits(report);
        if (splits.Length == 0)
            return "";
        var (own, names) = ClassRows.Of(splits, split => split.Boxes!.Classes, one => one.Objects);
        // One split needs no name above its columns.
        var groups = string.Concat(splits.Select(split => $"""<th class="group" colspan="5">{Html.Encode(split.Name)}</th>"""));
        var titles = splits.Length == 1 ? "" : $"<tr><th></th>{groups}</tr>";
        var (more, rows) = ClassRows.Shown(names, name => Row(name, own.Select(classes => classes.GetValueOrDefault(name))));
        var sums = Row(
            "all",
            splits.Select(split => new ClassObjects(
                "",
                split.Boxes!.Objects,
                split.Boxes.PerImage.Sum() - split.Boxes.Without,
                split.Boxes.Small,
                split.Boxes.Medium,
                split.Boxes.Large,
                null
            ))
        );
        return $"""
            <p>Sizes are those of COCO, in pixels of the originals: less than 32 x 32 is small, 96 x 96 or more is large.</p>
            {more}<div class="wide"><table>{titles}<tr><th>class</th>{string.Concat(
                splits.Select(_ => Head)
            )}</tr>{rows}{sums}</table></div>
            """;

        static string Row(string name, IEnumerable<ClassObjects?> found) =>
            $"<tr><td>{Html.Encode(name)}</td>{string.Concat(found.Select(Cells))}</tr>";

        static string Cells(ClassObjects? found) =>
            found is null
                ? """<td class="number">not listed</td><td></td><td></td><td></td><td></td>"""
                : string.Concat(
                    ((int[])[found.Objects, found.Images, found.Small, found.Medium, found.Large]).Select(count =>
                        $"""<td class="number">{Html.Integer(count)}</td>"""
                    )
                );
    }

    /// <summary>Objects per image and by size, as bars; empty where there are no boxes.</summary>
    /// <param name="report">What was found.</param>
    internal static string Charts(CheckReport report)
    {
        var splits = Splits(report);
        if (splits.Length == 0)
            return "";
        string[] series = [.. splits.Select(split => split.Name)];
        var most = splits.Max(split => split.Boxes!.Most);
        CountRow[] perImage =
        [
            .. bins.Index()
                .Where(bin => bin.Index == 0 || bins[bin.Index - 1] < most)
                .Select(bin =>
                {
                    var first = bin.Index == 0 ? 0 : bins[bin.Index - 1] + 1;
                    return new CountRow(
                        Images(first, bin.Item),
                        [.. splits.Select(split => (int?)split.Boxes!.PerImage.Skip(first).Take(bin.Item - first + 1).Sum())]
                    );
                }),
        ];
        CountRow[] sizes =
        [
            new("small", [.. splits.Select(split => (int?)split.Boxes!.Small)]),
            new("medium", [.. splits.Select(split => (int?)split.Boxes!.Medium)]),
            new("large", [.. splits.Select(split => (int?)split.Boxes!.Large)]),
        ];
        return $"""
            <div class="columns">{new CountBars("Images with so many objects", series, perImage).ToSvg()}
            {new CountBars("Objects of each size", series, sizes).ToSvg()}</div>
            """;

        static string Images(int first, int last) =>
            last == int.MaxValue ? $"{first} or more"
            : first == last ? $"{first}"
            : $"{first} to {last}";
    }

    /// <summary>
    /// Samples of the training split under their boxes, with a legend: those with most objects of the rarest classes first.
    /// </summary>
    /// <param name="report">What was found.</param>
    /// <param name="opened">The splits.</param>
    /// <param name="pictures">Draws samples.</param>
    internal static string Samples(CheckReport report, OpenedSplits opened, DataCheckPictures pictures)
    {
        if (opened.Training is not { Data: { Annotations: ObjectBoxes boxes } data } training || !pictures.Has(training.Name))
            return "";
        var split = report.Splits.First(own => own.Name == training.Name);
        var unreadable = split.Unreadable.Select(image => image.Index).ToHashSet();
        // Then evenly over the split: files in a row are often alike.
        int[] shown =
        [
            .. split
                .Boxes!.Classes.Where(own => own.Example is not null)
                .OrderBy(own => own.Objects)
                .Select(own => own.Example!.Value)
                .Concat(Enumerable.Range(0, MostSamples).Select(i => (int)((long)i * data.Count / MostSamples)))
                .Where(index => index < data.Count && !unreadable.Contains(index))
                .Distinct()
                .Take(MostSamples),
        ];
        if (shown.Length == 0)
            return "";
        int[] classes = [.. shown.SelectMany(index => boxes[index]).Select(one => one.Class).Distinct().Order()];
        var legend = string.Concat(classes.Take(MostNamed).Select(id => Named(ObjectOverlay.ColorOf(id), boxes.ClassNames[id])));
        var more = classes.Length > MostNamed ? $"<span>and {Html.Integer(classes.Length - MostNamed)} more</span>" : "";
        return $"""
            <p>Boxes as training reads them. Lines of crowds and of ignored objects are broken.</p>
            <div class="names">{legend}{more}</div>
            <div class="pairs boxes">{string.Concat(
                shown.Select(index => pictures.Objects(training.Name, index, boxes[index], boxes.ClassNames, Objects(boxes[index].Count)))
            )}</div>
            """;

        static string Objects(int count) => count == 1 ? "1 object" : $"{count} objects";

        static string Named((byte R, byte G, byte B) color, string name) =>
            $"""<span><i style="background:rgb({color.R},{color.G},{color.B})"></i>{Html.Encode(name)}</span>""";
    }

    /// <summary>Objects that something is odd about and that can be seen, of all splits.</summary>
    /// <inheritdoc cref="Samples"/>
    internal static string Odd(CheckReport report, OpenedSplits opened, DataCheckPictures pictures)
    {
        var found = Splits(report)
            .Where(split => pictures.Has(split.Name))
            .SelectMany(split =>
                split
                    .Boxes!.Unequal.Select(one => (one.Index, Why: $"the annotations are for {one.Stated.Width}x{one.Stated.Height}"))
                    .Concat(split.Boxes.Unfit.Select(one => (one.Index, Why: $"a mask that does not fit its box: {one.Class}")))
                    .Concat(split.Boxes.Doubled.Select(one => (one.Index, Why: $"a box that is there twice: {one.Class}")))
                    .Select(one => (Split: split.Name, one.Index, one.Why))
            )
            .DistinctBy(one => (one.Split, one.Index))
            .Take(MostOdd)
            .ToArray();
        return found.Length == 0
            ? ""
            : $"""<div class="pairs boxes">{string.Concat(
                found.Select(one =>
                {
                    var boxes = (ObjectBoxes)opened.Splits.First(split => split.Name == one.Split).Data!.Annotations;
                    return pictures.Objects(one.Split, one.Index, boxes[one.Index], boxes.ClassNames, $"{one.Split}: {one.Why}");
                })
            )}</div>""";
    }

    private static SplitReport[] Splits(CheckReport report) => [.. report.Splits.Where(split => split.Boxes is not null)];
}
