using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("resnet.network")]
internal sealed class ResNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "imagenet");
        c.ExpectOneOf("block", "basic", "bottleneck");
        run.ExpectBatch("x");
        var net = run.Load(
            new ResNet(
                new ResNet.Config(
                    c.Size("image_size"),
                    c.Ints("layers"),
                    c.String("block") == "bottleneck",
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Int("groups", 1),
                    c.Int("width_per_group", 64),
                    c.Double("batch_norm_eps"),
                    c.Double("batch_norm_momentum", 0.1)
                )
            )
        );
        using var taps = new Taps(net, "layer*");
        run.Output("out.logits", net.Call(run.Input("x")));
        for (var i = 1; i <= net.Options.Layers.Count; i++)
            run.Output($"out.layer{i}", taps[$"layer{i}"]);
    }
}

[Case("resnet.cifar-network")]
internal sealed class CifarResNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "cifar");
        c.ExpectOneOf("shortcut", "A", "B");
        c.Expect("depth", 6 * c.Int("blocks_per_stage") + 2);
        run.ExpectBatch("x");
        var net = run.Load(
            new CifarResNet(
                new CifarResNet.Config(
                    c.Int("blocks_per_stage"),
                    c.Size("image_size"),
                    c.String("shortcut") == "B",
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("batch_norm_eps")
                )
            )
        );
        using var taps = new Taps(net, "layer*");
        run.Output("out.logits", net.Call(run.Input("x")));
        for (var i = 1; i <= 3; i++)
            run.Output($"out.layer{i}", taps[$"layer{i}"]);
    }
}
