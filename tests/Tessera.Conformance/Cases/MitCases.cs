using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("mit.network")]
internal sealed class MitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("kind", "encoder");
        var mit = run.Load(new Mit(PvtNetwork.Version2(run)));
        foreach (var (i, map) in mit.ForwardFeatureMaps(run.Input("x")).Index())
            run.Output($"out.features.{i}", map.Map);
    }
}

[Case("mit.segformer-network")]
internal sealed class SegFormerNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "segformer");
        // Files say nothing of dropout: there is none.
        var head = new SegFormerHead(
            new(c.Ints("embed_dims"), c.Int("decoder_embed_dim"), c.Int("num_classes"), c.Int("head_channels"), 0)
        );
        run.Output("out.scores", run.Load(new SegFormer(new Mit(PvtNetwork.Version2(run)), head)).Call(run.Input("x")));
    }
}

[Case("segformer-head.head")]
internal sealed class SegFormerHeadAlone : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var unused = run.File.Parameters.FirstOrDefault(p => p.Name == "conv_seg.weight");
        var head = run.Load(
            new SegFormerHead(
                new(
                    c.Ints("in_channels"),
                    c.Int("embed_dim"),
                    c.Int("num_classes"),
                    unused is null ? null : (int)unused.Shape[1],
                    run.Rate("dropout"),
                    c.Double("bn_eps", 1e-5)
                )
            )
        );
        using var taps = new Taps(head, "*");
        Tensor[] maps = [.. Enumerable.Range(1, c.Ints("in_channels").Length).Select(i => run.Input($"c{i}"))];
        c.Expect("feature_sizes", maps.Select(map => map.Shape.ToArray()[2..]));
        run.Output("out.logits", head.Call(maps));
        run.Output("out.fused", taps["fused"]);
    }
}

[Case("segformer-head.network")]
internal sealed class SegFormerWithoutPrefixes : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "segformer");
        c.Expect("sr_norm_eps", c.Double("patch_embed_norm_eps"));
        var ratio = c.Double("mlp_ratio");
        var encoder = new Mit(
            new PvtV2.Config(
                (c.Int("height"), c.Int("width")),
                c.Ints("embed_dims"),
                c.Ints("depths"),
                c.Ints("num_heads"),
                [.. c.Ints("depths").Select(_ => ratio)],
                c.Ints("sr_ratios"),
                Classes: 0,
                Eps: c.Double("norm_eps"),
                EmbedEps: c.Double("patch_embed_norm_eps")
            )
        );
        var head = new SegFormerHead(
            new(c.Ints("embed_dims"), c.Int("decoder_embed_dim"), c.Int("num_classes"), UnusedWidth: null, Dropout: 0)
        );
        run.Load(new Joined(encoder, head));
        using var taps = new Taps(encoder, "embed*");
        var maps = encoder.ForwardFeatureMaps(run.Input("x"));
        run.Output("out.logits", head.Call([.. maps.Select(map => map.Map)]));
        foreach (var (i, map) in maps.Index())
        {
            run.Output($"out.feat_{i}", map.Map);
            run.Output($"out.embed_{i}", taps[$"embed{i + 1}"]);
        }
    }

    /// <summary>Encoder and decoder under the names that each has by itself.</summary>
    private sealed class Joined(Mit encoder, SegFormerHead head) : Module
    {
        protected override void ListMembers(Members members)
        {
            foreach (var (name, child) in encoder.Children.Concat(head.Children))
                members.Add(name, child);
        }
    }
}
