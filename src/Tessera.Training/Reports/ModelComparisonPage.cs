using System.Globalization;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>
/// Models side by side as one self-contained HTML page: a table, accuracy over costs with the Pareto front, growth with the resolution.
/// </summary>
internal static class ModelComparisonPage
{
    private static readonly int[] colours = [0, 1, 2, 3, 5, 6];

    /// <summary>Renders the page.</summary>
    public static string Render(ModelComparison comparison)
    {
        string[] architectures = [.. comparison.Rows.Select(row => row.Architecture).Distinct()];
        var title =
            comparison.Rows.Count > 0
                ? $"Comparison of {comparison.Rows.Count} models"
                : $"{comparison.Resolutions.Select(r => r.Model).Distinct().Count()} models over resolution";
        var figures = comparison.Rows.Count > 0 ? Figures(comparison.Rows) : Figures(comparison.Resolutions);
        return HtmlPage.Of(
            "comparison",
            title,
            $"""
            <section class="panel"><h2>Configuration</h2>{HtmlPage.Facts(comparison.Configuration)}</section>
            {Charts(comparison.Rows, row => colours[Array.IndexOf(architectures, row.Architecture) % colours.Length])}
            {Growth(comparison.Resolutions)}
            <section class="panel wide" style="overflow-x:auto"><h2>Figures</h2>{figures}</section>
            {Notes(comparison.Rows)}
            """
        );
    }

    // Accuracies on different data must not share a chart.
    private static string Charts(IReadOnlyList<ModelRow> rows, Func<ModelRow, int> colour)
    {
        var groups = rows.Where(row => row.Score is not null)
            .Select(row => (Of: "under the recipe", Row: row, Accuracy: row.Score!.Value))
            .Concat(
                rows.Where(row => row.PublishedTop1 is not null)
                    .Select(row => (Of: $"published on {row.PublishedOn}", Row: row, Accuracy: row.PublishedTop1!.Value))
            )
            .GroupBy(point => point.Of);
        return string.Concat(
            groups.Select(group =>
            {
                var cost = Chart($"Accuracy {group.Key} over operations", "multiply-accumulates of an image", row => row.Macs, true, Large);
                var speed = Chart($"Accuracy {group.Key} over speed", "images per second", row => row.ImagesPerSecond, false, Large);
                return cost.Length + speed.Length == 0
                    ? ""
                    : $"""
                        <section class="panel wide"><h2>Accuracy {Html.Encode(group.Key)}</h2>
                        <p>The line joins the models that no other model beats in both.</p>
                        <div class="columns">{cost}{speed}</div></section>
                        """;

                string Chart(string title, string label, Func<ModelRow, double?> x, bool low, Func<double, string> format) =>
                    new ScatterChart(
                        title,
                        label,
                        [.. group.Where(p => x(p.Row) > 0).Select(p => new Dot(p.Row.Model, colour(p.Row), x(p.Row)!.Value, p.Accuracy))],
                        low,
                        format,
                        v => Html.Percent(v, 1)
                    ).ToSvg();
            })
        );
    }

    private static string Growth(IReadOnlyList<ResolutionRow> rows)
    {
        if (rows.Count == 0)
            return "";
        var models = rows.GroupBy(row => row.Model).ToArray();
        return $"""
            <section class="panel wide"><h2>Growth with the resolution</h2><div class="columns">
            {Chart("Multiply-accumulates", row => row.Macs / 1e9, v => $"{Html.At(v)} G")}
            {Chart("Parameters", row => row.Parameters / 1e6, v => $"{Html.At(v)} M")}
            {Chart("Receptive field of the last map, share of the image", row => row.ReceptiveShare, v => Html.Percent(v, 0))}
            </div></section>
            """;

        string Chart(string title, Func<ResolutionRow, double?> y, Func<double, string> format) =>
            new LineChart(
                title,
                "pixels of height",
                [
                    .. models.Select(
                        (model, i) =>
                            new Series(
                                Html.Short(model.Key, 24),
                                colours[i % colours.Length],
                                [.. model.Where(row => y(row) is not null).Select(row => ((double)row.ImageSize[0], y(row)!.Value))],
                                true
                            )
                    ),
                ],
                format
            ).ToSvg();
    }

    private static string Figures(IReadOnlyList<ModelRow> rows)
    {
        var (timed, trained) = (rows.Any(row => row.ImagesPerSecond is not null), rows.Any(row => row.Score is not null));
        var (whole, further) = (rows.Any(row => row.WholeParameters is not null), rows.FurtherNames());
        string[] heads =
        [
            "model",
            "form",
            "size",
            "parameters",
            "MACs",
            "activations",
            .. whole ? new[] { "whole, parameters", "whole, MACs" } : [],
            .. timed ? new[] { "images per second, one at a time", "images per second", "peak memory" } : [],
            .. trained ? new[] { rows.ScoreTitle(), $"best {rows.ScoreTitle()}", "training" } : [],
            .. further,
            "published",
            "on",
        ];
        return Table(
            heads,
            rows.Select(row =>
                (string[])
                    [
                        row.Model,
                        row.Form,
                        string.Join('×', row.ImageSize.Distinct()),
                        Large(row.Parameters),
                        Large(row.Macs),
                        Large(row.Activations),
                        .. whole ? new[] { Large(row.WholeParameters), Large(row.WholeMacs) } : [],
                        .. timed
                            ? new[]
                            {
                                Fixed(row.ImagesPerSecondSingle, 1),
                                Fixed(row.ImagesPerSecond, 1),
                                row.PeakMemory is { } bytes ? $"{Html.At(Math.Round(bytes / 1048576.0))}\u202fMiB" : "–",
                            }
                            : [],
                        .. trained
                            ? new[]
                            {
                                Share(row.Score),
                                Share(row.BestScore),
                                row.TrainSeconds is { } seconds ? Html.Duration(TimeSpan.FromSeconds(seconds)) : "–",
                            }
                            : [],
                        .. further.Select(name => Share(row.FurtherOf(name))),
                        Share(row.PublishedTop1),
                        row.PublishedTop1 is null ? "" : row.PublishedOn ?? "",
                    ]
            ),
            text: [0, 1, 2, heads.Length - 1]
        );
    }

    // A column of sentences would squeeze the figures.
    private static string Notes(IReadOnlyList<ModelRow> rows)
    {
        var notes = rows.Select(row =>
                (row.Model, Text: string.Join("; ", new[] { row.PublishedSetting, row.Deviation }.Where(text => text is not null)))
            )
            .Where(note => note.Text.Length > 0)
            .ToArray();
        return notes.Length == 0 ? "" : $"""<section class="panel wide"><h2>Notes</h2>{HtmlPage.Facts(notes)}</section>""";
    }

    private static string Figures(IReadOnlyList<ResolutionRow> rows) =>
        Table(
            ["model", "size", "parameters", "MACs", "activations", "pixels that reach the middle", "in a box of", "of the image", ""],
            rows.Select(row =>
                (string[])
                    [
                        row.Model,
                        string.Join('×', row.ImageSize.Distinct()),
                        Large(row.Parameters),
                        Large(row.Macs),
                        Large(row.Activations),
                        row.ReceptivePixels is { } pixels ? Html.Integer(pixels) : "–",
                        row.ReceptiveBox is { } box ? string.Join('×', box) : "–",
                        Share(row.ReceptiveShare),
                        row.Deviation ?? "",
                    ]
            ),
            text: [0, 1, 8]
        );

    private static string Table(string[] heads, IEnumerable<string[]> rows, int[] text)
    {
        var head = string.Concat(heads.Select((title, i) => Cell("th", title, i)));
        return $"<table><tr>{head}</tr>{string.Concat(rows.Select(Row))}</table>";

        string Row(string[] cells) => $"<tr>{string.Concat(cells.Select((cell, i) => Cell("td", cell, i)))}</tr>";

        string Cell(string tag, string content, int column) =>
            text.Contains(column) ? $"<{tag}>{Html.Encode(content)}</{tag}>" : $"""<{tag} class="number">{Html.Encode(content)}</{tag}>""";
    }

    private static string Share(double? share) => share is { } value ? Html.Percent(value) : "–";

    private static string Fixed(double? value, int digits) => value is { } figure ? Html.Fixed(figure, digits) : "–";

    private static string Large(long? value) => value is { } figure ? Large((double)figure) : "–";

    private static string Large(double value) =>
        value switch
        {
            >= 1e12 => Digits(value / 1e12) + "\u202fT",
            >= 1e9 => Digits(value / 1e9) + "\u202fG",
            >= 1e6 => Digits(value / 1e6) + "\u202fM",
            >= 1e3 => Digits(value / 1e3) + "\u202fk",
            _ => Digits(value),
        };

    private static string Digits(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
