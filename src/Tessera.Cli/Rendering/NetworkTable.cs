using System.Globalization;
using Tessera.Search;
using Tessera.Search.Results;

namespace Tessera.Cli.Rendering;

/// <summary>Networks of a search by rank.</summary>
internal static class NetworkTable
{
    private const int GenomeLength = 40;

    internal static TextTable Of(IReadOnlyList<RankedNetwork> networks)
    {
        CostFigure[] costs = [.. CostFigure.All.Where(figure => networks.Any(one => figure.Of(one.Cost) is not null))];
        var table = new TextTable([
            new("rank", Right: true),
            new("network"),
            new("score", Right: true),
            .. costs.Select(figure => new Column(figure.Title, Right: true)),
            new("generation", Right: true),
            new(""),
        ]);
        foreach (var one in networks)
            table.Add([
                one.Rank.ToString(CultureInfo.InvariantCulture),
                Short(one.Genome),
                Score(one.Candidate),
                .. costs.Select(figure => figure.Of(one.Cost) is { } value ? figure.Text(value) : Figures.None),
                (one.Candidate?.Generation + 1)?.ToString(CultureInfo.InvariantCulture) ?? Figures.None,
                one.TiesWithBest ? "tie" : "",
            ]);
        return table;
    }

    /// <summary>For programs: genomes are whole, costs that are not known are null.</summary>
    internal static object[] ToJson(IEnumerable<RankedNetwork> networks) =>
        [
            .. networks.Select(one => new
            {
                one.Rank,
                one.Genome,
                one.Candidate?.Score,
                one.Candidate?.StandardError,
                one.Cost,
                one.Candidate?.Generation,
                one.Candidate?.Parents,
                Seed = one.Candidate?.Seed.ToString(CultureInfo.InvariantCulture),
                one.Candidate?.Figures,
                Tie = one.TiesWithBest,
            }),
        ];

    /// <summary>A score with its standard error.</summary>
    internal static string Score(Candidate? candidate) =>
        candidate?.Score is not { } score ? Figures.None
        : candidate.StandardError is { } error ? string.Create(CultureInfo.InvariantCulture, $"{score:0.0000} ± {error:0.0000}")
        : score.ToString("0.0000", CultureInfo.InvariantCulture);

    /// <summary>A genome that fits into a table.</summary>
    internal static string Short(string genome) => genome.Length <= GenomeLength ? genome : genome[..(GenomeLength - 1)] + "…";
}
