using Tessera.Search.Costs;
using Tessera.Training;
using Tessera.Training.Recipes;

namespace Tessera.Search.Measuring;

/// <summary>Which parts of a space are measured: all where they are few, else some that lie all over it.</summary>
internal static class ShapePlan
{
    private const int Drawn = 2000;

    /// <summary>Parts of networks that are drawn from a space.</summary>
    /// <param name="context">The space.</param>
    /// <param name="most">Most parts.</param>
    /// <exception cref="RunException">The method cannot take its networks apart, or they have more kinds of parts.</exception>
    internal static IReadOnlyList<BlockShape> Of(SearchContext context, int most)
    {
        var random = new Random(0);
        var found = new Dictionary<string, OrderedDictionary<BlockShape, bool>>(StringComparer.Ordinal);
        for (var i = 0; i < Drawn; i++)
            foreach (var shape in PartsOf(context, context.Recipe.Search.Draw(random, context)))
                (found.TryGetValue(shape.Kind, out var kind) ? kind : found[shape.Kind] = []).TryAdd(shape, true);
        if (most < found.Count)
            throw new RunException($"at least {found.Count} parts must be measured, one of each kind of the space, not {most}");
        var chosen = new List<BlockShape>();
        // The kinds with few parts leave their share to the others.
        foreach (var (i, kind) in found.Values.OrderBy(kind => kind.Count).Index())
            chosen.AddRange(Spread([.. kind.Keys], (most - chosen.Count) / (found.Count - i), random));
        return chosen;
    }

    /// <summary>The parts of a network.</summary>
    /// <param name="context">The space.</param>
    /// <param name="genome">The network.</param>
    /// <exception cref="RunException">The method cannot take its networks apart.</exception>
    internal static IReadOnlyList<BlockShape> PartsOf(SearchContext context, string genome) =>
        context.Recipe.Search.Parts(genome, context)
        ?? throw new RunException(
            $"{RecipeShape.MessageName(context.Recipe.Search.GetType())} does not take its networks apart: their latency "
                + "cannot be predicted from parts"
        );

    // Those with the smallest and the largest sizes, then half of the rest as far from each other as can be, and half as they come.
    private static List<BlockShape> Spread(IReadOnlyList<BlockShape> all, int most, Random random)
    {
        if (all.Count <= most)
            return [.. all];
        string[] names = [.. all[0].Sizes.Keys];
        double[][] places = [.. all.Select(shape => names.Select(name => Math.Log(shape.Sizes[name])).ToArray())];
        (double Low, double High)[] ranges = [.. names.Select((_, d) => (places.Min(place => place[d]), places.Max(place => place[d])))];
        var chosen = new OrderedDictionary<int, bool>();
        double[] distances = [.. places.Select(_ => double.PositiveInfinity)];
        for (var d = 0; d < names.Length; d++)
        {
            Choose(places.Index().MinBy(place => place.Item[d]).Index);
            Choose(places.Index().MaxBy(place => place.Item[d]).Index);
        }
        var far = (most + chosen.Count) / 2;
        while (chosen.Count < far)
            Choose(distances.Index().MaxBy(distance => distance.Item).Index);
        foreach (var i in Enumerable.Range(0, all.Count).OrderBy(_ => random.Next()))
            if (chosen.Count < most)
                Choose(i);
        return [.. chosen.Keys.Take(most).Select(i => all[i])];

        void Choose(int i)
        {
            if (!chosen.TryAdd(i, true))
                return;
            for (var other = 0; other < places.Length; other++)
                distances[other] = Math.Min(distances[other], Distance(places[other], places[i]));
        }

        double Distance(double[] a, double[] b)
        {
            var sum = 0.0;
            for (var d = 0; d < a.Length; d++)
                if (ranges[d].High > ranges[d].Low && (a[d] - b[d]) / (ranges[d].High - ranges[d].Low) is var way)
                    sum += way * way;
            return sum;
        }
    }
}
