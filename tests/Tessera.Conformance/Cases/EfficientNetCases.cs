using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("efficientnet.network")]
internal sealed class EfficientNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var net = run.Load(
            new EfficientNet(
                new EfficientNet.Config(
                    c.Size("image_size"),
                    c.Double("width_factor"),
                    c.Double("depth_factor"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    Eps: c.Double("batch_norm_eps"),
                    Momentum: c.Double("batch_norm_momentum", 0.1),
                    Dropout: 0,
                    DropPath: 0
                )
            )
        );
        using var taps = new Taps(net, "features.*");
        run.Output("out.logits", net.Call(run.Input("x")));
        for (var i = 0; i <= 8; i++)
            run.Output($"out.features{i}", taps[$"features.{i}"]);
        foreach (var (name, tensor) in net.StateDict())
            run.Output($"after.{name}", tensor);
    }
}
