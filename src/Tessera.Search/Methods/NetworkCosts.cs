using Tessera.Nn;

namespace Tessera.Search.Methods;

/// <summary>Costs of the networks of a search, each counted once, and whether its budget allows them.</summary>
/// <param name="context">The search.</param>
internal sealed class NetworkCosts(SearchContext context)
{
    // Of a network outside of the budget, as the authors of ViTAS have it: the less the more it costs.
    private const double Outside = 0.05,
        PerExcess = 0.01;

    private readonly Dictionary<string, CandidateCost> known = [];
    private readonly Budget published = new(Published: context.Recipe.Limits.Published);
    private readonly bool onlyPublished = context.Recipe.Limits is { Macs: null, Parameters: null, LatencyMs: null };

    /// <summary>What a network costs.</summary>
    /// <param name="genome">The network.</param>
    internal CandidateCost Of(string genome)
    {
        if (known.TryGetValue(genome, out var cost))
            return cost;
        // Its weights do not matter, and what they would draw belongs to others.
        using var skip = Init.Skip();
        return known[genome] = context.CostOf(genome);
    }

    /// <summary>Whether the budget allows a network. The method's own counter, which builds no network, is asked first.</summary>
    /// <param name="genome">The network.</param>
    internal bool Allows(string genome) =>
        published.Allows(new(Published: context.Recipe.Search.PublishedCost(genome, context)))
        && (onlyPublished || context.Recipe.Limits.Allows(Of(genome)));

    /// <summary>The score of a network outside of the budget, by the limit that it fails most; null for one within.</summary>
    /// <param name="cost">Of the network.</param>
    internal double? ScoreOutside(CandidateCost cost)
    {
        if (context.Recipe.Limits.Allows(cost))
            return null;
        var limits = context.Recipe.Limits;
        return (
            from pair in (IEnumerable<(IReadOnlyList<double>? Limit, double? Value)>)
                [
                    (limits.Macs, cost.Macs),
                    (limits.Parameters, cost.Parameters),
                    (limits.Published, cost.Published),
                    (limits.LatencyMs, cost.LatencyMs),
                ]
            where pair.Limit is not null && (pair.Value < pair.Limit[0] || pair.Value > pair.Limit[1])
            select Outside - PerExcess * (pair.Value!.Value - pair.Limit![1]) / pair.Limit[1]
        ).Min();
    }
}
