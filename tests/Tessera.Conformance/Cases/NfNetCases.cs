using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("nfnet.network")]
internal sealed class NfNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var net = run.Load(
            new NfNet(
                new NfNet.Config(
                    c.Size("image_size"),
                    c.Ints("depths"),
                    c.Ints("widths"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Int("stem_width", 128),
                    GroupWidth: c.Int("group_width", 128),
                    Alpha: c.Double("alpha", 0.2),
                    Eps: c.Double("weight_eps", 1e-5),
                    Dropout: 0,
                    DropPath: 0
                )
            )
        );
        using var taps = new Taps(net, "stem", "stages.*");
        run.Output("out.logits", net.Call(run.Input("x")));
        run.Output("out.stem", taps["stem"]);
        for (var i = 0; i < net.Options.Depths.Count; i++)
            run.Output($"out.stage{i}", taps[$"stages.{i}"]);
    }
}
