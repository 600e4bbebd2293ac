using System.Globalization;
using Tessera.Training;
using Tessera.Training.Drawing;

namespace Tessera.Search.Results;

/// <summary>A search as one self-contained HTML page: score over each cost with the front, and the best networks.</summary>
internal static class SearchPage
{
    private const int Best = 0,
        Other = 4,
        Tied = 2,
        HandMade = 5;

    private const int Rows = 50,
        GenomeLength = 60;

    /// <summary>Renders the page.</summary>
    /// <param name="context">The search.</param>
    /// <param name="ranking">Its networks from the best to the worst.</param>
    /// <param name="further">Facts beside those of the search.</param>
    /// <param name="handMade">Networks of other origin, for comparison.</param>
    internal static string Render(
        SearchContext context,
        IReadOnlyList<RankedNetwork> ranking,
        IEnumerable<(string Name, string Value)> further,
        IReadOnlyList<ComparedNetwork> handMade
    )
    {
        var recipe = context.Recipe;
        var scored = ranking.Where(one => one.Candidate is not null).ToArray();
        var shares = scored.All(one => one.Candidate!.Score is >= 0 and <= 1);
        var failed = recipe.Search.RankedStage is { } stage
            ? context.Candidates(stage).Count(one => one.State == CandidateState.Failed)
            : 0;
        return HtmlPage.Of(
            "architecture search",
            $"Search in {Path.GetFileName(context.Folder)}",
            $"""
            <section class="panel"><h2>Search</h2>{HtmlPage.Facts([
                ("data", recipe.Data.Name),
                ("seed", recipe.Seed.ToString(CultureInfo.InvariantCulture)),
                ("networks with a score", Html.Integer(ranking.Count)),
                ("failed", Html.Integer(failed)),
                ("tied with the best", Html.Integer(ranking.Count(one => one.TiesWithBest))),
                .. further,
            ])}</section>
            {Charts()}
            <section class="panel wide" style="overflow-x:auto"><h2>Networks</h2>
            <p>“tie” marks scores that are within two standard errors of their difference from the best one.</p>
            {HtmlPage.Table(Table(ranking))}</section>
            """
        );

        string Charts()
        {
            var charts = string.Concat(CostFigure.All.Select(Chart));
            return charts.Length == 0
                ? ""
                : $"""
                    <section class="panel wide"><h2>Score over cost</h2>
                    <p>The line joins the networks that no other beats in both. The largest score and those tied with it have colours of
                    their own{(handMade.Count > 0 ? "; stars are networks made by hand" : "")}.</p>
                    <div class="columns">{charts}</div></section>
                    """;
        }

        string Chart(CostFigure figure) =>
            new ScatterChart(
                $"Score over {figure.Title}",
                figure.Title,
                [
                    .. scored
                        .Where(one => figure.Of(one.Cost) > 0)
                        .Select(one => new Dot($"#{one.Rank}", ColorOf(one), figure.Of(one.Cost)!.Value, one.Candidate!.Score!.Value)
                        {
                            IsNamed = one.Rank <= 3,
                        }),
                    .. handMade
                        .Where(one => figure.Of(one.Cost) > 0)
                        .Select(one => new Dot(one.Name, HandMade, figure.Of(one.Cost)!.Value, one.Score) { IsStar = true }),
                ],
                LowX: true,
                figure.Text,
                value => shares ? Html.Percent(value, 1) : value.ToString("G4", CultureInfo.InvariantCulture)
            ).ToSvg();

        static int ColorOf(RankedNetwork one) =>
            one.Rank == 1 ? Best
            : one.TiesWithBest ? Tied
            : Other;
    }

    private static MetricTable Table(IReadOnlyList<RankedNetwork> ranking)
    {
        CostFigure[] costs = [.. CostFigure.All.Where(figure => ranking.Any(one => figure.Of(one.Cost) is not null))];
        return new(
            "networks",
            [
                ("rank", true),
                ("network", false),
                ("score", true),
                ("standard error", true),
                ("", false),
                .. costs.Select(figure => (figure.Title, true)),
            ],
            [
                .. ranking
                    .Take(Rows)
                    .Select(one =>
                        (IReadOnlyList<string>)
                            [
                                one.Rank.ToString(CultureInfo.InvariantCulture),
                                Html.Short(one.Genome, GenomeLength),
                                Number(one.Candidate?.Score),
                                Number(one.Candidate?.StandardError),
                                one.TiesWithBest ? "tie" : "",
                                .. costs.Select(figure => figure.Of(one.Cost) is { } value ? figure.Text(value) : ""),
                            ]
                    ),
            ]
        );

        static string Number(double? value) => value?.ToString("0.0000", CultureInfo.InvariantCulture) ?? "";
    }
}
