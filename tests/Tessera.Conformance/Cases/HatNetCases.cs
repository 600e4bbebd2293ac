using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("hat-net.network")]
internal sealed class HatNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("activation", "silu");
        run.ExpectBatch("x");
        // The head drops by a rate of its own, which files do not give: it is 0.
        var hat = run.Load(
            new HatNet(
                new HatNet.Config(
                    c.Size("image_size"),
                    c.Ints("embed_dims"),
                    c.Int("head_dim"),
                    c.Ints("depths"),
                    c.Ints("grid_sizes"),
                    c.Ints("ds_ratios"),
                    c.Ints("kernel_sizes"),
                    c.Ints("expansions"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    HeadDropout: 0,
                    DropPath: run.Rate("drop_path_rate"),
                    Eps: c.Double("group_norm_eps")
                )
            )
        );
        using var taps = new Taps(hat, "stage*", "blocks.*.*.attn");
        run.Output("out.logits", hat.Call(run.Input("x")));
        foreach (var (i, path) in hat.BlockPaths.Index())
            run.Output($"out.attn{i}", taps[$"{path}.attn"]);
        for (var s = 1; s <= hat.Options.Depths.Count; s++)
            run.Output($"out.stage{s}", taps[$"stage{s}"]);
    }
}
