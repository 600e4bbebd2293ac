using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("regnet.network")]
internal sealed class RegNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var net = run.Load(
            new RegNet(
                new RegNet.Config(
                    c.Size("image_size"),
                    c.Ints("depths"),
                    c.Ints("widths"),
                    c.Int("group_width"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Int("stem_width", 32),
                    SqueezeRatio: c.Double("squeeze_ratio", 0.25),
                    Eps: c.Double("batch_norm_eps"),
                    Momentum: c.Double("batch_norm_momentum", 0.1)
                )
            )
        );
        using var taps = new Taps(net, "s*");
        run.Output("out.logits", net.Call(run.Input("x")));
        for (var i = 1; i <= net.Options.Depths.Count; i++)
            run.Output($"out.s{i}", taps[$"s{i}"]);
        foreach (var (name, tensor) in net.StateDict())
            run.Output($"after.{name}", tensor);
    }
}
