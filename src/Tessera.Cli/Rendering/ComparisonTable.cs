using Tessera.Training;
using Tessera.Training.Reports;

namespace Tessera.Cli.Rendering;

/// <summary>A comparison of models for terminals, programs and spreadsheets.</summary>
internal static class ComparisonTable
{
    internal static TextTable Create(ModelComparison comparison)
    {
        if (comparison.Rows.Count == 0)
            return Resolutions(comparison.Resolutions);
        var rows = comparison.Rows;
        var (timed, trained) = (rows.Any(r => r.ImagesPerSecond is not null), rows.Any(r => r.Score is not null));
        var (whole, further) = (rows.Any(r => r.WholeParameters is not null), rows.FurtherNames());
        var table = new TextTable([
            new("model"),
            new("form"),
            new("size", true),
            new("parameters", true),
            new("MACs", true),
            new("activations", true),
            .. whole ? [new("whole, parameters", true), new("whole, MACs", true)] : Array.Empty<Column>(),
            .. timed ? [new("images/s, 1", true), new("images/s", true), new("memory", true)] : Array.Empty<Column>(),
            .. trained ? [new(rows.ScoreTitle(), true), new("best", true), new("time", true)] : Array.Empty<Column>(),
            .. further.Select(name => new Column(name, true)),
            new("published", true),
            new("on"),
        ]);
        foreach (var row in rows)
            table.Add([
                row.Model,
                row.Form,
                Size(row.ImageSize),
                Large(row.Parameters),
                Large(row.Macs),
                Large(row.Activations),
                .. whole ? [Large(row.WholeParameters), Large(row.WholeMacs)] : Array.Empty<string>(),
                .. timed
                    ?
                    [
                        Rate(row.ImagesPerSecondSingle),
                        Rate(row.ImagesPerSecond),
                        row.PeakMemory is { } bytes ? Figures.Bytes(bytes) : Figures.None,
                    ]
                    : Array.Empty<string>(),
                .. trained
                    ?
                    [
                        Share(row.Score),
                        Share(row.BestScore),
                        row.TrainSeconds is { } seconds ? Figures.Time(TimeSpan.FromSeconds(seconds)) : Figures.None,
                    ]
                    : Array.Empty<string>(),
                .. further.Select(name => Share(row.FurtherOf(name))),
                Share(row.PublishedTop1),
                row.PublishedTop1 is null ? "" : row.PublishedOn ?? "",
            ]);
        return table;
    }

    private static TextTable Resolutions(IReadOnlyList<ResolutionRow> rows)
    {
        var table = new TextTable(
            new("model"),
            new("size", true),
            new("parameters", true),
            new("MACs", true),
            new("activations", true),
            new("receptive field", true),
            new("box", true),
            new("of the image", true)
        );
        foreach (var row in rows)
            table.Add(
                row.Model,
                Size(row.ImageSize),
                Large(row.Parameters),
                Large(row.Macs),
                Large(row.Activations),
                row.ReceptivePixels is { } pixels ? $"{pixels:N0}" : Figures.None,
                row.ReceptiveBox is { } box ? string.Join('x', box) : Figures.None,
                Share(row.ReceptiveShare)
            );
        return table;
    }

    /// <summary>All figures as a spreadsheet reads them.</summary>
    internal static string ToCsv(ModelComparison comparison) =>
        comparison.Rows.Count > 0
            ? Csv.Write(
                [
                    "model",
                    "architecture",
                    "form",
                    "height",
                    "width",
                    "parameters",
                    "macs",
                    "attention_macs",
                    "activations",
                    "images_per_second_single",
                    "images_per_second",
                    "peak_memory",
                    "score",
                    "best_score",
                    "score_name",
                    "train_seconds",
                    "train_loss",
                    "published_top1",
                    "published_on",
                    "published_setting",
                    "deviation",
                    .. comparison.Rows.Any(r => r.WholeParameters is not null) ? ["whole_parameters", "whole_macs"] : Array.Empty<string>(),
                    .. comparison.Rows.FurtherNames(),
                ],
                comparison.Rows.Select(r =>
                    (object?[])
                        [
                            r.Model,
                            r.Architecture,
                            r.Form,
                            First(r.ImageSize),
                            Last(r.ImageSize),
                            r.Parameters,
                            r.Macs,
                            r.AttentionMacs,
                            r.Activations,
                            r.ImagesPerSecondSingle,
                            r.ImagesPerSecond,
                            r.PeakMemory,
                            r.Score,
                            r.BestScore,
                            r.ScoreName,
                            r.TrainSeconds,
                            r.TrainLoss,
                            r.PublishedTop1,
                            r.PublishedOn,
                            r.PublishedSetting,
                            r.Deviation,
                            .. comparison.Rows.Any(one => one.WholeParameters is not null)
                                ? [r.WholeParameters, r.WholeMacs]
                                : Array.Empty<object?>(),
                            .. comparison.Rows.FurtherNames().Select(name => (object?)r.FurtherOf(name)),
                        ]
                )
            )
            : Csv.Write(
                [
                    "model",
                    "height",
                    "width",
                    "parameters",
                    "macs",
                    "activations",
                    "receptive_pixels",
                    "receptive_height",
                    "receptive_width",
                    "receptive_share",
                    "deviation",
                ],
                comparison.Resolutions.Select(r =>
                    (object?[])
                        [
                            r.Model,
                            First(r.ImageSize),
                            Last(r.ImageSize),
                            r.Parameters,
                            r.Macs,
                            r.Activations,
                            r.ReceptivePixels,
                            r.ReceptiveBox?[0],
                            r.ReceptiveBox?[1],
                            r.ReceptiveShare,
                            r.Deviation,
                        ]
                )
            );

    private static int? First(IReadOnlyList<int> size) => size.Count > 0 ? size[0] : null;

    private static int? Last(IReadOnlyList<int> size) => size.Count > 0 ? size[^1] : null;

    private static string Size(IReadOnlyList<int> size) => string.Join('x', size.Distinct());

    private static string Large(long? value) => value is { } v ? Figures.Large(v) : Figures.None;

    private static string Rate(double? value) =>
        value is { } v
            ? v.ToString(
                v < 10 ? "0.00"
                    : v < 100 ? "0.0"
                    : "0",
                System.Globalization.CultureInfo.InvariantCulture
            )
            : Figures.None;

    private static string Share(double? value) => value is { } v ? Figures.Percent(v) : Figures.None;
}
