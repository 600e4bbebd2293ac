using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("cswin.network")]
internal sealed class CsWinNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("kind", "classifier");
        var model = run.Load(new CsWin(Config(run) with { Classes = run.Config.Int("num_classes") }));
        using var taps = new Taps(model, "stage*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var i = 1; i <= model.Options.Depths.Count; i++)
            run.Output($"out.stage{i}", taps[$"stage{i}"]);
    }

    internal static CsWin.Config Config(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("x");
        return new(
            c.Size("image_size"),
            c.Int("embed_dim"),
            c.Ints("depths"),
            c.Ints("split_sizes"),
            c.Ints("num_heads"),
            0,
            c.Int("in_channels"),
            c.Double("mlp_ratio"),
            c.Bool("qkv_bias"),
            Eps: c.Double("layer_norm_eps"),
            DropPath: run.Rate("drop_path_rate")
        );
    }
}

[Case("cswin.dense-network")]
internal sealed class CsWinDenseNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("kind", "dense");
        var model = run.Load(new CsWin(CsWinNetwork.Config(run) with { Dense = true }));
        foreach (var (i, map) in model.ForwardFeatureMaps(run.Input("x")).Index())
            run.Output($"out.features.{i}", map.Map);
    }
}
