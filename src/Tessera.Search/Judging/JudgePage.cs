using System.Globalization;
using Tessera.Search.Statistics;
using Tessera.Training;
using Tessera.Training.Drawing;

namespace Tessera.Search.Judging;

/// <summary>The page about a judgement.</summary>
internal static class JudgePage
{
    private const int GenomeLength = 60;

    /// <summary>Renders the page.</summary>
    /// <param name="search">Name of the search.</param>
    /// <param name="judgement">The outcome.</param>
    internal static string Render(string search, Judgement judgement)
    {
        JudgedNetwork[] both = [.. judgement.Networks.Where(one => one.SupernetScore is not null)];
        return HtmlPage.Of(
            "judgement of a search",
            search,
            $"""
            <section class="panel"><h2>Verdict</h2><p>{Html.Encode(judgement.Verdict)}</p>{HtmlPage.Facts(Facts(judgement))}</section>
            {(both.Length < 2 ? "" : $"""
                <section class="panel wide"><h2>Is the supernet right?</h2>
                <p>The first colour is the winner, the second random networks, the third networks made by hand. Kendall's tau is over the
                random networks alone: the winner was chosen by its score.</p>{new ScorePlot(judgement.Score, both).ToSvg()}</section>
                """)}
            <section class="panel wide" style="overflow-x:auto"><h2>Networks</h2>{HtmlPage.Table(Table(judgement))}</section>
            """
        );
    }

    /// <summary>Figures with their names.</summary>
    /// <param name="judgement">The outcome.</param>
    internal static IEnumerable<(string Name, string Value)> Facts(Judgement judgement)
    {
        yield return ("winner", $"{judgement.Score} {Number(judgement.WinnerScore)}");
        yield return (
            "random",
            $"mean {Number(judgement.RandomMean)}{In(judgement.RandomMeanInterval)}, best {Number(judgement.RandomBest)}"
        );
        yield return ("gain", $"{Number(judgement.Gain)}{In(judgement.GainInterval)}");
        yield return (
            "Kendall's tau",
            judgement.Tau is { } tau
                ? $"{Number(tau)}{In(judgement.TauInterval)}; Spearman's rho {Number(judgement.Spearman!.Value)}"
                : "not known: there are no scores by shared weights, or they are all equal"
        );
        foreach (var made in judgement.HandMade)
            yield return (
                made.Name,
                $"the winner is {Number(Math.Abs(made.Gain))} {(made.Gain < 0 ? "worse" : "better")}"
                    + (made.Interval is null ? "; one training each shows no spread" : In(made.Interval))
            );
        yield return (
            "core-hours",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{judgement.SearchCoreHours:0.00} to search, {judgement.JudgeCoreHours:0.00} to judge"
            )
        );
    }

    /// <summary>A row of each network.</summary>
    /// <param name="judgement">The outcome.</param>
    internal static MetricTable Table(Judgement judgement) =>
        new(
            "networks",
            [
                ("network", false),
                ("score", true),
                ("by the supernet", true),
                ("M MACs", true),
                ("M parameters", true),
                ("ms", true),
                ("core-hours", true),
                ("choices", false),
            ],
            [
                .. judgement
                    .Networks.OrderByDescending(one => judgement.HigherIsBetter ? one.Score : -one.Score)
                    .Select(one =>
                        (IReadOnlyList<string>)
                            [
                                one.WithinBudget ? one.Name : $"{one.Name} (outside of the budget)",
                                string.Join(", ", one.Scores.Select(Number)),
                                one.SupernetScore is { } score ? Number(score) : "",
                                Millions(one.Cost.Macs),
                                Millions(one.Cost.Parameters),
                                one.Cost.LatencyMs?.ToString("0.00", CultureInfo.InvariantCulture) ?? "",
                                one.CoreHours.ToString("0.00", CultureInfo.InvariantCulture),
                                Html.Short(one.Network, GenomeLength),
                            ]
                    ),
            ]
        );

    private static string In(Interval? interval) => interval is null ? "" : $" ({Judgement.Text(interval)})";

    private static string Number(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Millions(double? value) => value is { } known ? (known / 1e6).ToString("0.00", CultureInfo.InvariantCulture) : "";
}
