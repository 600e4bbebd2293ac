using Tessera.Search.Costs;

namespace Tessera.Tests.Search;

/// <summary>A table of a machine whose times follow a law.</summary>
internal static class MadeUpTable
{
    internal static readonly LatencyMachine Machine = new("Abacus 3000", ["AVX2", "FMA"], "avx2", "2.1.0");

    /// <summary>Time of a block on it: a start, then so much for each kind of work; products are slower where the width is odd.</summary>
    internal static double Law(BlockShape shape) =>
        0.05
        + 2e-7 * shape.Work["products"] * (1 + 0.2 / Math.Sqrt(shape.Sizes["dim"] / 32))
        + 4e-7 * shape.Work["attention"]
        + 3e-7 * shape.Work["elements"];

    /// <summary>Blocks of a space, each with its own sizes.</summary>
    /// <param name="seed">Of the draw.</param>
    /// <param name="count">How many.</param>
    internal static IReadOnlyList<BlockShape> Blocks(int seed, int count)
    {
        var random = new Random(seed);
        var found = new HashSet<BlockShape>();
        while (found.Count < count)
            found.Add(
                TransformerParts.Block(
                    random.Next(2) == 0 ? 65 : 17,
                    32 * random.Next(1, 7),
                    1 << random.Next(3),
                    48 * random.Next(1, 9),
                    48 * random.Next(1, 9)
                )
            );
        return [.. found];
    }

    /// <summary>A complete table.</summary>
    /// <param name="count">Blocks that were measured.</param>
    internal static LatencyTable Of(int count = 20) =>
        new()
        {
            Machine = Machine,
            Settings = new(),
            Space = "made up",
            Tessera = "0.1.0",
            Date = "2026-11-30",
            Planned = count,
            Reference = "block",
            ReferenceMs = 2,
            Scale = 1.5,
            Entries = [.. Blocks(1, count).Select(shape => new LatencyEntry(shape, Law(shape), 0.01, 30))],
        };
}
