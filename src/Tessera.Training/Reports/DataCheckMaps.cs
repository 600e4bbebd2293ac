using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>The label maps of a data set on the page about it: a table of the classes, and samples under their maps.</summary>
internal static class DataCheckMaps
{
    private const int MostSamples = 8;
    private const int MostNamed = 40;

    /// <summary>Pixels and images of each class per split, the most frequent first; empty where no map was read.</summary>
    /// <param name="report">What was found.</param>
    internal static string Table(CheckReport report)
    {
        var splits = report.Splits.Where(split => split.Maps is { Read: > 0 }).ToArray();
        if (splits.Length == 0)
            return "";
        var (own, names) = ClassRows.Of(splits, split => split.Maps!.Classes, one => one.Pixels);
        var head = string.Concat(
            splits.Select(split =>
                $"""<th class="number">{Html.Encode(split.Name)}: pixels</th><th class="number">share</th><th class="number">images</th>"""
            )
        );
        var (more, rows) = ClassRows.Shown(names, name => Row(name, classes => classes.GetValueOrDefault(name)));
        var ignored =
            $"<tr><td>ignored</td>{string.Concat(splits.Select(split => Cells(split.Maps!.Ignored, split.Maps.IgnoredShare, null)))}</tr>";
        return $"""{more}<table><tr><th>class</th>{head}</tr>{rows}{ignored}</table>""";

        string Row(string name, Func<Dictionary<string, ClassPixels>, ClassPixels?> find) =>
            $"<tr><td>{Html.Encode(name)}</td>"
            + string.Concat(
                own.Zip(splits)
                    .Select(pair =>
                        find(pair.First) is { } found
                            ? Cells(found.Pixels, Share(found.Pixels, pair.Second.Maps!), found.Images)
                            : """<td class="number">not listed</td><td></td><td></td>"""
                    )
            )
            + "</tr>";

        // Of the pixels that count.
        static double Share(long pixels, LabelMapsReport maps) => pixels / (double)Math.Max(1, maps.Pixels - maps.Ignored);

        static string Cells(long pixels, double share, int? images) =>
            $"""<td class="number">{Html.Integer(pixels)}</td><td class="number">{Html.Percent(share)}</td><td class="number">{(
                images is { } count ? Html.Integer(count) : ""
            )}</td>""";
    }

    /// <summary>Samples of the training split beside their maps, with a legend: those that show most of the rarest classes.</summary>
    /// <param name="report">What was found.</param>
    /// <param name="opened">The splits.</param>
    /// <param name="pictures">Draws samples.</param>
    internal static string Samples(CheckReport report, OpenedSplits opened, DataCheckPictures pictures)
    {
        if (opened.Training is not { Data.Annotations: LabelMaps maps } training)
            return "";
        var found = report.Splits.FirstOrDefault(split => split.Name == training.Name)?.Maps;
        if (found is not { Classes.Count: > 0 })
            return "";
        int[] shown = [.. found.Classes.OrderBy(own => own.Pixels).Select(own => own.Example).OfType<int>().Distinct().Take(MostSamples)];
        var colors = maps.Palette ?? LabelPalette.Of(maps.ClassNames.Count);
        var drawn = shown.Select(index => pictures.Overlay(training.Name, index, maps, colors)).ToArray();
        int[] classes = [.. drawn.SelectMany(own => own.Classes).Distinct().Order()];
        var legend = string.Concat(classes.Take(MostNamed).Select(id => Named(colors[id], maps.ClassNames[id])));
        var more = classes.Length > MostNamed ? $"<span>and {Html.Integer(classes.Length - MostNamed)} more</span>" : "";
        return $"""
            <p>Images beside their label maps. Ignored pixels have no tint.</p>
            <div class="names">{legend}{more}</div>
            <div class="pairs maps">{string.Concat(drawn.Select(own => own.Html))}</div>
            """;

        static string Named((byte R, byte G, byte B) color, string name) =>
            $"""<span><i style="background:rgb({color.R},{color.G},{color.B})"></i>{Html.Encode(name)}</span>""";
    }
}
