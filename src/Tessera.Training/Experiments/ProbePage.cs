using Tessera.Training.Drawing;

namespace Tessera.Training.Experiments;

/// <summary>What a probe of features came to, as one self-contained page.</summary>
internal static class ProbePage
{
    /// <summary>Renders the page.</summary>
    /// <param name="title">What was probed.</param>
    /// <param name="result">What it came to.</param>
    /// <param name="facts">How it was measured.</param>
    /// <param name="sections">Pictures.</param>
    internal static string Render(
        string title,
        ProbeResult result,
        IEnumerable<(string Name, string Value)> facts,
        IReadOnlyList<ReportSection> sections
    ) =>
        HtmlPage.Of(
            "probe of features",
            title,
            $"""
            <section class="cards">{string.Concat(result.Rows.Select(Card))}</section>
            <div class="columns">{Panel("How it was measured", HtmlPage.Facts(facts))}{Draws(result)}</div>
            {string.Concat(sections.Select(section => Panel(section.Title, section.Html)))}
            """
        );

    private static string Draws(ProbeResult result) =>
        result.FewShot.Count == 0
            ? ""
            : Panel(
                "A few samples of every class",
                HtmlPage.Table(
                    new(
                        "",
                        [("samples of every class", true), ("mean", true), ("deviation", true), ("each draw", false)],
                        [
                            .. result.FewShot.Select(few =>
                                (IReadOnlyList<string>)
                                    [
                                        Html.Integer(few.Shots),
                                        Html.Percent(few.Mean),
                                        Html.Percent(few.Deviation),
                                        string.Join(", ", few.Top1.Select(one => Html.Percent(one))),
                                    ]
                            ),
                        ]
                    )
                )
            );

    private static string Card(MetricRow row)
    {
        var value = row.Format switch
        {
            MetricFormat.Share => Html.Percent(row.Value),
            MetricFormat.Count => Html.Integer((long)row.Value),
            _ => Html.Fixed(row.Value, 1),
        };
        return $"""<div class="card"><span>{Html.Encode(row.Name)}</span><strong>{Html.Encode(value)}</strong></div>""";
    }

    private static string Panel(string title, string body) =>
        $"""<section class="panel"><h2>{Html.Encode(title)}</h2>{body}</section>""" + "\n";
}
