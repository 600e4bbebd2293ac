using Tessera.Models;
using Tessera.Search.Methods;

namespace Tessera.Tests.Search.Methods;

public sealed class PnasSpaceTests
{
    [Fact]
    public void There_are_as_many_blocks_and_cells_as_published()
    {
        var space = new PnasSpace();
        Assert.Equal([136L, 300, 528, 820, 1176], Enumerable.Range(1, 5).Select(space.BlockCount));
        Assert.Equal([136L, 40_800, 21_542_400], Enumerable.Range(1, 3).Select(space.CellCount));
        Assert.Equal([136L, 40_800, 135_168, 209_920, 301_056], Enumerable.Range(1, 5).Select(level => space.CandidateCount(level, 256)));
        Assert.Equal(1160, space.TrainedCount(5, 256));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Blocks_are_canonical_different_and_in_order(int place)
    {
        var space = new PnasSpace();
        PnasBlock[] blocks = [.. space.Blocks(place)];
        Assert.Equal(space.BlockCount(place), blocks.Length);
        Assert.Equal(blocks, blocks.Distinct().Order());
        Assert.Equal(blocks, blocks.Select(block => block.Canonical()));
        Assert.Equal(place, blocks.Max(block => block.Input2));
    }

    [Fact]
    public void Every_block_is_drawn_as_often()
    {
        const int draws = 136 * 400;
        var (space, random) = (new PnasSpace(), new Random(1));
        var counts = Enumerable.Range(0, draws).CountBy(_ => space.Draw(1, random)).ToDictionary();
        Assert.Equal(space.Blocks(1).Select(block => new PnasCell(block)).ToHashSet(), counts.Keys.ToHashSet());
        // Six standard deviations of a count of 400.
        Assert.All(counts.Values, count => Assert.InRange(count, 280, 520));
        Assert.Equal(5, space.Draw(5, random).Canonical().Blocks.Count);
    }
}
