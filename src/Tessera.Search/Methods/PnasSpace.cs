using Tessera.Models;

namespace Tessera.Search.Methods;

/// <summary>
/// The cells of PNAS and their numbers. The two parts of a block are unordered; cells that only the order of their blocks tells apart count
/// as two. Liu et al., "Progressive Neural Architecture Search", 2018, arXiv:1712.00559, section 3.1.
/// </summary>
/// <param name="operations">Number of operations.</param>
public sealed class PnasSpace(int operations = PnasOperations.Count)
{
    // The outputs of two cells, and the blocks before.
    private static int Inputs(int block) => block + 1;

    /// <summary>Number of different blocks at a place of a cell.</summary>
    /// <param name="block">The place, from 1.</param>
    public long BlockCount(int block)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(block, 1);
        var branches = (long)Inputs(block) * operations;
        return branches * (branches + 1) / 2;
    }

    /// <summary>The different blocks at a place of a cell, in canonical order.</summary>
    /// <param name="block">The place, from 1.</param>
    public IEnumerable<PnasBlock> Blocks(int block)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(block, 1);
        var branches = Inputs(block) * operations;
        for (var first = 0; first < branches; first++)
        for (var second = first; second < branches; second++)
            yield return new(first / operations, second / operations, first % operations, second % operations);
    }

    /// <summary>Number of different cells.</summary>
    /// <param name="blocks">Blocks of a cell.</param>
    public long CellCount(int blocks) => Enumerable.Range(1, blocks).Aggregate(1L, (count, block) => checked(count * BlockCount(block)));

    /// <summary>Number of cells that are looked at with a number of blocks: all that the cells that were kept before can become.</summary>
    /// <param name="blocks">Blocks of a cell.</param>
    /// <param name="keep">Cells that are kept at each number of blocks from 2.</param>
    public long CandidateCount(int blocks, int keep) => blocks == 1 ? BlockCount(1) : KeptCount(blocks - 1, keep) * BlockCount(blocks);

    /// <summary>Number of cells that are kept, each a network to train. With one block, all are.</summary>
    /// <param name="blocks">Blocks of a cell.</param>
    /// <param name="keep">Cells that are kept at each number of blocks from 2.</param>
    public long KeptCount(int blocks, int keep) => blocks == 1 ? BlockCount(1) : Math.Min(keep, CandidateCount(blocks, keep));

    /// <summary>Number of networks that a whole search trains.</summary>
    /// <param name="blocks">Blocks of a cell at the end.</param>
    /// <param name="keep">Cells that are kept at each number of blocks from 2.</param>
    public long TrainedCount(int blocks, int keep) => Enumerable.Range(1, blocks).Sum(level => KeptCount(level, keep));

    /// <summary>A cell of the space; all are equally likely.</summary>
    /// <param name="blocks">Blocks of the cell.</param>
    /// <param name="random">Where the draw comes from.</param>
    public PnasCell Draw(int blocks, Random random) =>
        new(
            Enumerable
                .Range(1, blocks)
                .Select(block =>
                {
                    // The branches of a pair that is drawn from all pairs of which the first is not the larger one.
                    var place = random.NextInt64(BlockCount(block));
                    var first = 0L;
                    for (var left = (long)Inputs(block) * operations; place >= left; left--)
                    {
                        place -= left;
                        first++;
                    }
                    var second = first + place;
                    return new PnasBlock(
                        (int)(first / operations),
                        (int)(second / operations),
                        (int)(first % operations),
                        (int)(second % operations)
                    );
                })
        );
}
