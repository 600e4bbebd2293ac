using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("pnas.network")]
internal sealed class PnasNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "pnasnet5");
        c.Expect("blocks_per_cell", PnasNet.BlocksPerCell);
        const string even = "symmetric k//2";
        c.ExpectOneOf("padding", even, "same (asymmetric, extra at bottom/right)");
        var model = run.Load(
            new PnasNet(
                new PnasNet.Config(
                    c.Size("image_size"),
                    c.Int("filters"),
                    c.Int("cells_per_stage"),
                    c.Int("stem_filters"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.String("padding") == even,
                    c.Double("batchnorm_eps"),
                    Momentum: c.Double("batchnorm_momentum")
                )
            )
        );
        var last = model.BlockPaths[^1];
        using var taps = new Taps(model, "conv_0", "cell_stem_0", "cell_stem_1", last);
        var logits = model.Run(new(run.Input("x"))).Logits;
        run.Output("out.conv_0", taps["conv_0"]);
        run.Output("out.cell_stem_0", taps["cell_stem_0"]);
        run.Output("out.cell_stem_1", taps["cell_stem_1"]);
        run.Output("out.last_cell", taps[last]);
        run.Output("out.logits", logits);
    }
}
