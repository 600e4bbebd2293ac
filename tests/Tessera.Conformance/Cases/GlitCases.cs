using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("glit.network")]
internal sealed class GlitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (heads, depth) = (c.Int("num_heads"), c.Int("depth"));
        var blocks = c.Objects("blocks").Select(block => Block(block, heads)).ToArray();
        c.Expect("depth", blocks.Length);
        // The codes of the search say the same as the blocks.
        var decoded = Glit.Config.Decode(c.Ints("base_arch"), c.Ints("arch")).Select(one => Relevant(one[0])).ToArray();
        if (!decoded.SequenceEqual(blocks.Select(Relevant)))
            throw new GoldenMismatchException($"base_arch and arch mean {string.Join(", ", decoded)}, which are not the blocks");
        var model = run.Load(
            new Glit(
                new Glit.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("embed_dim"),
                    heads,
                    [.. blocks.Select(block => (IReadOnlyList<Glit.BlockOptions>)[block])],
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("layernorm_eps")
                )
            )
        );
        if (c.Has("mmacs_by_reference_formula"))
            GlitSupernet.Expect("mmacs_by_reference_formula", c.Double("mmacs_by_reference_formula"), model.PublishedCost());
        using var taps = new Taps(model, "blocks.*.0");
        var logits = model.Run(new(run.Input("x"))).Logits;
        for (var i = 0; i < depth; i++)
            run.Output($"out.block{i}", taps[$"blocks.{i}.0"]);
        run.Output("out.logits", logits);
    }

    private static Glit.BlockOptions Block(Config block, int heads)
    {
        var global = block.Int("global_heads");
        block.Expect("local_heads", heads - global);
        return new(
            global * 3 / heads,
            block.Double("global_expansion"),
            block.Double("local_expansion"),
            block.Int("kernel_size"),
            block.Double("mlp_ratio")
        );
    }

    // What a kind of block does not have says nothing.
    private static Glit.BlockOptions Relevant(Glit.BlockOptions block) =>
        block.GlobalThirds switch
        {
            0 => block with { GlobalExpansion = 1 },
            3 => block with { LocalExpansion = 1, Kernel = 31 },
            _ => block,
        };
}

[Case("glit.supernet")]
internal sealed class GlitSupernet : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("stage", "second");
        var thirds = c.Ints("base_arch");
        c.Expect("depth", thirds.Length);
        var model = run.Load(
            new Glit(
                new Glit.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("embed_dim"),
                    c.Int("num_heads"),
                    Glit.Config.Candidates(thirds),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("layernorm_eps")
                )
            )
        );
        var (x, costs) = (run.Input("x"), c.Doubles("mmacs"));
        foreach (var (i, choice) in c["choices"].EnumerateArray().Index())
        {
            int[] path = [.. choice.EnumerateArray().Select(one => one.GetInt32())];
            Expect(
                $"mmacs[{i}]",
                costs[i],
                path.Select((candidate, block) => Glit.BlockCost(model.Options.Blocks[block][candidate], model.Options.Dim)).Sum()
            );
            run.Output($"out.path{i}", model.Call(x, path));
        }
    }

    internal static void Expect(string key, double stands, double ours)
    {
        if (Math.Abs(stands - ours) > 1e-9 * Math.Abs(stands))
            throw new GoldenMismatchException($"'{key}' is {stands}, and ours is {ours}");
    }
}

[Case("glit.cost")]
internal sealed class GlitCost : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "block_cost");
        c.Expect("unit", "1e6 multiply-adds");
        var (dim, tokens) = (c.Int("embed_dim"), c.Int("tokens"));
        var costs =
            from thirds in Enumerable.Range(0, 4)
            from detail in Enumerable.Range(0, Glit.BlockOptions.DetailCount)
            select Glit.BlockCost(Glit.BlockOptions.Decode(thirds, detail), dim, tokens);
        run.Output("cost", Tensor.From(costs.ToArray(), 4, Glit.BlockOptions.DetailCount));
    }
}
