namespace Tessera.Search.Evolution;

/// <summary>Fronts of individuals of which none is better than another in everything (Deb et al., 2002, section III.A).</summary>
public static class NonDominatedSorting
{
    /// <summary>Whether one is at least as good in every objective and better in one. Smaller is better.</summary>
    /// <param name="first">Objectives of one.</param>
    /// <param name="second">Objectives of the other.</param>
    public static bool Dominates(IReadOnlyList<double> first, IReadOnlyList<double> second)
    {
        var better = false;
        for (var i = 0; i < first.Count; i++)
        {
            if (first[i] > second[i])
                return false;
            better |= first[i] < second[i];
        }
        return better;
    }

    /// <summary>The fronts, the best first; each has the numbers of its individuals in their order.</summary>
    /// <param name="population">The objectives of each individual. Smaller is better.</param>
    public static IReadOnlyList<IReadOnlyList<int>> Fronts(IReadOnlyList<IReadOnlyList<double>> population)
    {
        var dominators = new int[population.Count];
        var dominated = new List<int>[population.Count];
        for (var i = 0; i < population.Count; i++)
            dominated[i] = [];
        for (var i = 0; i < population.Count; i++)
        for (var j = 0; j < population.Count; j++)
            if (Dominates(population[i], population[j]))
            {
                dominated[i].Add(j);
                dominators[j]++;
            }
        var fronts = new List<IReadOnlyList<int>>();
        int[] front = [.. Enumerable.Range(0, population.Count).Where(i => dominators[i] == 0)];
        while (front.Length > 0)
        {
            fronts.Add(front);
            var next = new SortedSet<int>();
            foreach (var i in front)
            foreach (var j in dominated[i])
                if (--dominators[j] == 0)
                    next.Add(j);
            front = [.. next];
        }
        return fronts;
    }
}
