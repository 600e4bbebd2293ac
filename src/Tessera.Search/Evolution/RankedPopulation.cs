namespace Tessera.Search.Evolution;

/// <summary>A population with the front and the crowding distance of each individual, by which NSGA-II compares them.</summary>
public sealed class RankedPopulation
{
    private readonly IReadOnlyList<IReadOnlyList<double>> objectives;
    private readonly IReadOnlyList<IReadOnlyList<int>> fronts;
    private readonly double[] crowding;

    /// <summary>Ranks a population.</summary>
    /// <param name="objectives">Of each individual. Smaller is better.</param>
    public RankedPopulation(IReadOnlyList<IReadOnlyList<double>> objectives)
    {
        this.objectives = objectives;
        fronts = NonDominatedSorting.Fronts(objectives);
        crowding = new double[objectives.Count];
        foreach (var front in fronts)
        foreach (var (place, distance) in CrowdingDistance.Of([.. front.Select(i => objectives[i])]).Index())
            crowding[front[place]] = distance;
    }

    /// <summary>
    /// The survivors: whole fronts as long as there is room, and of the last one those with the largest crowding distances, the earlier
    /// ones of equals.
    /// </summary>
    /// <param name="count">How many survive.</param>
    /// <returns>Their numbers.</returns>
    public IReadOnlyList<int> Survivors(int count)
    {
        var survivors = new List<int>(count);
        foreach (var front in fronts)
            survivors.AddRange(
                survivors.Count + front.Count <= count ? front : front.OrderByDescending(i => crowding[i]).Take(count - survivors.Count)
            );
        return survivors;
    }

    /// <summary>The better one of two that are drawn: the one that dominates, else the one with more room, else either.</summary>
    /// <param name="random">Where the draws come from.</param>
    public int Tournament(Random random)
    {
        var (first, second) = (random.Next(objectives.Count), random.Next(objectives.Count));
        if (NonDominatedSorting.Dominates(objectives[first], objectives[second]))
            return first;
        if (NonDominatedSorting.Dominates(objectives[second], objectives[first]))
            return second;
        return crowding[first] != crowding[second] ? (crowding[first] > crowding[second] ? first : second)
            : random.Next(2) == 0 ? first
            : second;
    }
}
