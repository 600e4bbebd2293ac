using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("pvt.network")]
internal sealed class PvtNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var classes = run.Config.Int("num_classes");
        Backbone model = run.Load<Backbone>(
            run.Config.Int("version") == 1
                ? new Pvt(Version1(run.Config) with { Classes = classes })
                : new PvtV2(Version2(run.Config) with { Classes = classes })
        );
        using var taps = new Taps(model, "stage*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var i = 1; i <= 4; i++)
            run.Output($"out.stage{i}", taps[$"stage{i}"]);
    }

    internal static Pvt.Config Version1(Config c) =>
        new(
            c.Size("image_size"),
            c.Ints("embed_dims"),
            c.Ints("depths"),
            c.Ints("num_heads"),
            c.Doubles("mlp_ratios"),
            c.Ints("sr_ratios"),
            0,
            c.Int("in_channels"),
            c.Bool("qkv_bias"),
            c.Double("block_layer_norm_eps"),
            c.Double("patch_and_sr_layer_norm_eps")
        );

    internal static PvtV2.Config Version2(Config c) =>
        new(
            c.Size("image_size"),
            c.Ints("embed_dims"),
            c.Ints("depths"),
            c.Ints("num_heads"),
            c.Doubles("mlp_ratios"),
            c.Ints("sr_ratios"),
            c.Bool("linear", false),
            0,
            c.Int("in_channels"),
            c.Bool("qkv_bias"),
            c.Double("block_layer_norm_eps"),
            c.Double("patch_and_sr_layer_norm_eps")
        );
}

[Case("pvt.dense-network")]
internal sealed class PvtDenseNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var model = run.Load<Backbone>(
            run.Config.Int("version") == 1
                ? new Pvt(PvtNetwork.Version1(run.Config) with { Dense = true })
                : new PvtV2(PvtNetwork.Version2(run.Config))
        );
        foreach (var (i, map) in model.ForwardFeatureMaps(run.Input("x")).Index())
            run.Output($"out.features.{i}", map.Map);
    }
}
