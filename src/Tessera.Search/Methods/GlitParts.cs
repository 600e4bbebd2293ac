using Tessera.Models;
using Tessera.Search.Costs;

namespace Tessera.Search.Methods;

/// <summary>Blocks of GLiT as parts of a network whose times add up.</summary>
internal static class GlitParts
{
    private static readonly string[] kinds = ["local", "one_third_global", "two_thirds_global", "global"];

    /// <summary>A block.</summary>
    /// <param name="block">Its choices.</param>
    /// <param name="tokens">Number of tokens, the class token included.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="heads">Heads of a block.</param>
    internal static BlockShape Of(Glit.BlockOptions block, int tokens, int dim, int heads)
    {
        double n = tokens,
            wide = dim * block.GlobalThirds / 3.0,
            local = dim - wide,
            values = wide * block.GlobalExpansion,
            inner = local * block.LocalExpansion,
            hidden = (int)(dim * block.MlpRatio);
        var weights = 4 * wide * values + 3 * local * inner + inner * block.Kernel + 2 * dim * hidden;
        // What a kind of block does not have is left out.
        var sizes = new OrderedDictionary<string, double>
        {
            ["tokens"] = tokens,
            ["dim"] = dim,
            ["heads"] = heads,
            ["expansion"] = block.GlobalThirds == 3 ? block.GlobalExpansion : block.LocalExpansion,
            ["mlp"] = hidden,
        };
        if (block.GlobalThirds == 0)
            sizes.Add("kernel", block.Kernel);
        var work = new OrderedDictionary<string, double>
        {
            ["products"] = n * weights,
            ["elements"] = n * (6 * dim + 4 * values + 6 * inner + 2 * hidden),
            ["weights"] = weights,
        };
        if (block.GlobalThirds > 0)
        {
            work.Add("attention", 2 * n * n * values);
            work.Add("scores", heads * block.GlobalThirds / 3.0 * n * n);
        }
        return new(kinds[block.GlobalThirds], sizes, work);
    }

    /// <summary>The candidate of the second level that a block is.</summary>
    /// <param name="shape">The block.</param>
    internal static (int Thirds, int Detail) CandidateOf(BlockShape shape)
    {
        var thirds = Array.IndexOf(kinds, shape.Kind);
        var detail = Enumerable
            .Range(0, Glit.BlockOptions.DetailCount)
            .First(number =>
                Of(Glit.BlockOptions.Decode(thirds, number), (int)shape.Sizes["tokens"], (int)shape.Sizes["dim"], (int)shape.Sizes["heads"])
                == shape
            );
        return (thirds, detail);
    }
}
