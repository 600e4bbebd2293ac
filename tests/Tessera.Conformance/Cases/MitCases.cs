using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("mit.network")]
internal sealed class MitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var mit = run.Load(new Mit(PvtNetwork.Version2(run.Config)));
        foreach (var (i, map) in mit.Pyramid(run.Input("x")).Index()) run.Output($"out.features.{i}", map.Map);
    }
}

[Case("mit.segformer-network")]
internal sealed class SegFormerNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        // The recorded networks have no dropout.
        var head = new SegFormerHead(new(c.Ints("embed_dims"), c.Int("decoder_embed_dim"), c.Int("num_classes"), c.Int("head_channels"), 0));
        run.Output("out.scores", run.Load(new SegFormer(new Mit(PvtNetwork.Version2(c)), head)).Call(run.Input("x")));
    }
}

[Case("segformer-head.head")]
internal sealed class SegFormerHeadAlone : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var unused = run.File.Parameters.FirstOrDefault(p => p.Name == "conv_seg.weight");
        var head = run.Load(new SegFormerHead(new(c.Ints("in_channels"), c.Int("embed_dim"), c.Int("num_classes"), unused is null ? null : (int)unused.Shape[1], c.Double("dropout", 0), c.Double("bn_eps", 1e-5))));
        using var taps = new Taps(head, "*");
        run.Output("out.logits", head.Call([.. Enumerable.Range(1, c.Ints("in_channels").Length).Select(i => run.Input($"c{i}"))]));
        run.Output("out.fused", taps["fused"]);
    }
}
