using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("pvt.network")]
internal sealed class PvtNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var classes = run.Config.Int("num_classes");
        Backbone model = run.Load<Backbone>(
            IsFirst(run) ? new Pvt(Version1(run) with { Classes = classes }) : new PvtV2(Version2(run) with { Classes = classes })
        );
        using var taps = new Taps(model, "stage*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var i = 1; i <= run.Config.Ints("depths").Length; i++)
            run.Output($"out.stage{i}", taps[$"stage{i}"]);
    }

    /// <summary>Whether it is the first version, run at the size that the file says.</summary>
    internal static bool IsFirst(GoldenRun run)
    {
        run.Config.ExpectOneOf("version", 1, 2);
        run.Config.Expect("input_size", run.Input("x").Shape.ToArray()[2..]);
        return run.Config.Int("version") == 1;
    }

    internal static Pvt.Config Version1(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("x");
        c.Expect("linear", false);
        return new(
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
            c.Double("patch_and_sr_layer_norm_eps"),
            DropPath: run.Rate("drop_path_rate")
        );
    }

    internal static PvtV2.Config Version2(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("x");
        return new(
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
            c.Double("patch_and_sr_layer_norm_eps"),
            DropPath: run.Rate("drop_path_rate")
        );
    }
}

[Case("pvt.dense-network")]
internal sealed class PvtDenseNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("kind", "dense");
        var model = run.Load<Backbone>(
            PvtNetwork.IsFirst(run) ? new Pvt(PvtNetwork.Version1(run) with { Dense = true }) : new PvtV2(PvtNetwork.Version2(run))
        );
        foreach (var (i, map) in model.ForwardFeatureMaps(run.Input("x")).Index())
            run.Output($"out.features.{i}", map.Map);
    }
}
