using Tessera.Data;
using Tessera.Models;
using Tessera.Search.Methods;
using Tessera.Search.Surrogates;

namespace Tessera.Tests.Search.Methods;

/// <summary>
/// An accuracy that is known of every cell without training: the mean over its blocks of what inputs and operations add, and a little that
/// a pair of the two adds. It is drawn by a seed.
/// </summary>
internal sealed class KnownAccuracy
{
    private readonly double[,] gains = new double[6, PnasOperations.Count];

    internal KnownAccuracy(ulong seed)
    {
        var random = new SampleRandom(seed, 0, 0);
        var (ofInputs, ofOperations) = (new double[6], new double[PnasOperations.Count]);
        for (var input = 0; input < 6; input++)
            ofInputs[input] = 0.5 * random.Normal();
        for (var operation = 0; operation < PnasOperations.Count; operation++)
            ofOperations[operation] = random.Normal();
        for (var input = 0; input < 6; input++)
        for (var operation = 0; operation < PnasOperations.Count; operation++)
            gains[input, operation] = ofInputs[input] + ofOperations[operation] + 0.25 * random.Normal();
    }

    internal double Of(PnasCell cell) =>
        0.85 + 0.03 * cell.Blocks.Average(block => gains[block.Input1, block.Operation1] + gains[block.Input2, block.Operation2]);

    internal ScoredCell Score(PnasCell cell) => new(cell, Of(cell));

    /// <summary>Searches progressively, with this instead of trained networks.</summary>
    /// <returns>The scored cells of each number of blocks.</returns>
    internal IReadOnlyList<IReadOnlyList<ScoredCell>> Search(int blocks, int keep, SurrogateOptions options, ulong seed)
    {
        List<IReadOnlyList<ScoredCell>> levels =
        [
            [.. new PnasSpace().Blocks(1).Select(block => Score(new PnasCell(block)))],
        ];
        while (levels.Count < blocks)
        {
            var surrogate = SurrogateEnsemble.Fit(options, blocks + 1, levels, seed, default);
            levels.Add([
                .. PnasChoice.Best(levels[^1].Select(scored => scored.Cell), keep, surrogate, default).Select(choice => Score(choice.Cell)),
            ]);
        }
        return levels;
    }
}
