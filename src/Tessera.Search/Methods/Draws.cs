using Tessera.Training;

namespace Tessera.Search.Methods;

/// <summary>Networks that are drawn until one meets demands.</summary>
internal static class Draws
{
    // A budget that so few networks meet is a mistake of the recipe.
    private const int Most = 100_000;

    /// <summary>A network within the budget.</summary>
    /// <param name="costs">Of the search.</param>
    /// <param name="draw">Draws a network.</param>
    /// <exception cref="RunException">None was drawn.</exception>
    internal static string Within(NetworkCosts costs, Func<string> draw)
    {
        for (var i = 0; i < Most; i++)
            if (draw() is var genome && costs.Allows(genome))
                return genome;
        throw new RunException($"none of {Most} networks that were drawn is within the budget");
    }

    /// <summary>Different networks within the budget.</summary>
    /// <param name="count">How many.</param>
    /// <param name="costs">Of the search.</param>
    /// <param name="draw">Draws a network.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="RunException">The budget, or the space, holds too few.</exception>
    internal static IReadOnlyList<string> Within(int count, NetworkCosts costs, Func<string> draw, CancellationToken stop)
    {
        var found = new OrderedDictionary<string, bool>(StringComparer.Ordinal);
        for (var i = 0; i < Most && found.Count < count; i++)
        {
            stop.ThrowIfCancellationRequested();
            if (draw() is var genome && !found.ContainsKey(genome) && costs.Allows(genome))
                found.Add(genome, true);
        }
        return found.Count == count
            ? [.. found.Keys]
            : throw new RunException(
                $"of {Most} networks that were drawn, {found.Count} different ones are within the budget, and search.population is {count}"
            );
    }
}
