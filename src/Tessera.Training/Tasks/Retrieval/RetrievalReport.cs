using Tessera.Data.Images;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>Report sections of retrieval: recall, classes, and queries with what was found for them, failures first.</summary>
internal static class RetrievalReport
{
    /// <summary>The sections; none where something else was measured.</summary>
    internal static IReadOnlyList<ReportSection> Sections(ReportContext context) =>
        (context.Metrics, context.Data) switch
        {
            (RetrievalMetrics metrics, ImageDataset images) => Of(metrics, images),
            (RevisitedMetrics metrics, ImageDataset images) => Of(metrics, images),
            _ => [],
        };

    private static IReadOnlyList<ReportSection> Of(RetrievalMetrics metrics, ImageDataset images)
    {
        var pictures = new RetrievedPictures(images);
        List<ReportSection> sections = [new("Recall", Recall(metrics), Column: 1)];
        if (metrics.PerClass.Count > 1)
            sections.Add(
                new(
                    "Recall@1 per class",
                    ShareBars.ToSvg(
                        [.. metrics.PerClass.Select(one => (double?)one.Share)],
                        [.. metrics.PerClass.Select(one => images.ClassNames[(int)one.Label])],
                        "Recall@1 per class"
                    ),
                    Column: 2
                )
            );
        Add(
            sections,
            "Queries whose nearest image is wrong",
            "Each row begins with a query; behind it are the images that are most like it, with the cosine of their angle. ≠ marks another "
                + "class. The most similar wrong image comes first.",
            pictures.Rows(metrics.Examples.Where(example => example.Score < 1))
        );
        Add(
            sections,
            "Queries whose nearest image is right",
            "One query of each of several classes.",
            pictures.Rows(metrics.Examples.Where(example => example.Score == 1))
        );
        return sections;
    }

    private static string Recall(RetrievalMetrics metrics)
    {
        var chart = new LineChart(
            "Recall among the K nearest images",
            "K",
            [new("recall", 0, [.. metrics.Recall.Select(one => ((double)one.K, one.Share))], Marked: true)],
            value => Html.Percent(value, 0)
        );
        return $"""
            <p>{Html.Integer(metrics.Queries)} queries among {Html.Integer(metrics.Searched)} images each. A query is answered where an
            image of its class is among the K nearest.</p>
            {(metrics.Recall.Count > 1 ? chart.ToSvg() : "")}
            <table>
            <tr><th>K</th><th class="number">recall</th></tr>
            {Svg.Lines(
                metrics.Recall,
                one => $"""<tr><td>{Html.Integer(one.K)}</td><td class="number">{Html.Percent(one.Share)}</td></tr>"""
            )}
            </table>
            """;
    }

    private static IReadOnlyList<ReportSection> Of(RevisitedMetrics metrics, ImageDataset images)
    {
        List<ReportSection> sections = [new("Precision of each query", Levels(metrics, images), Column: 1)];
        Add(
            sections,
            "Queries of the lowest average precision",
            "Each row begins with a query and its average precision at medium; behind it are the images that are most like it, with the "
                + "cosine of their angle. ≠ marks an image that is wrong, ○ one that counts neither way.",
            new RetrievedPictures(images).Rows(metrics.Examples)
        );
        return sections;
    }

    // A curve per level, the best queries first.
    private static string Levels(RevisitedMetrics metrics, ImageDataset images)
    {
        var curves = metrics
            .Levels.Where(level => level.Map is not null)
            .Select(
                (level, colour) =>
                    new Series(
                        level.Name,
                        colour,
                        [.. level.AveragePrecisions.OfType<double>().OrderDescending().Select((value, rank) => (rank + 1.0, value))]
                    )
            );
        var chart = new LineChart("Average precision of the queries, the best first", "queries", [.. curves], value =>
            Html.Percent(value, 0)
        );
        return $"""
            <p>{Html.Integer(metrics.Queries)} queries among {Html.Integer(metrics.Searched)} images of {Html.Encode(images.Name)}.</p>
            {chart.ToSvg()}
            """;
    }

    private static void Add(List<ReportSection> sections, string title, string said, string rows)
    {
        if (rows.Length > 0)
            sections.Add(new(title, $"<p>{said}</p>{rows}"));
    }
}
