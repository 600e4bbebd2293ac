using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("swin.network")]
internal sealed class SwinNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var swin = run.Load(
            new Swin(
                Config(run, run.Config.Size("image_size")) with
                {
                    Classes = run.Config.Int("num_classes"),
                    PatchNorm = run.Config.Bool("patch_norm", true),
                }
            )
        );
        using var taps = new Taps(swin, "stage*", "layers.0.blocks.1.attn");
        run.Output("out.logits", swin.Call(run.Input("x")));
        if (taps.Records.TryGetValue("layers.0.blocks.1.attn", out var attention))
            run.Output("out.window_attn", attention);
        for (var i = 1; i <= swin.Options.Depths.Count; i++)
            run.Output($"out.stage{i}", taps[$"stage{i}"]);
    }

    internal static Swin.Config Config(GoldenRun run, (int, int) image)
    {
        var c = run.Config;
        run.ExpectBatch("x");
        return new(
            image,
            c.Int("embed_dim"),
            c.Ints("depths"),
            c.Ints("num_heads"),
            c.Int("window_size"),
            c.Int("patch_size"),
            0,
            c.Int("in_channels"),
            c.Double("mlp_ratio"),
            c.Bool("qkv_bias"),
            c.Bool("ape"),
            Eps: c.Double("layer_norm_eps"),
            DropPath: run.Rate("drop_path_rate")
        );
    }
}

[Case("swin.dense-network")]
internal sealed class SwinDenseNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("kind", "dense");
        run.Config.Expect("image_size", run.Input("x").Shape.ToArray()[2..]);
        var swin = run.Load(new Swin(SwinNetwork.Config(run, run.Config.Size("pretrain_image_size")) with { Dense = true }));
        foreach (var (i, map) in swin.ForwardFeatureMaps(run.Input("x")).Index())
            run.Output($"out.features.{i}", map.Map);
    }
}

[Case("swin.relative-bias-resize")]
internal sealed class RelativeBiasResize : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("heads", run.Input("table").Size(1));
        run.Output("table", RelativePositions.Resize(run.Input("table"), c.Size("old_window"), c.Size("new_window")));
        // The names say what is asked for: index_HxW and mask_HxW_wWINDOW_sSHIFT.
        foreach (var name in run.File.Outputs.Keys)
        {
            var parts = name.Split('_');
            if (parts[0] is not ("index" or "mask"))
                continue;
            var (height, width) = (int.Parse(parts[1].Split('x')[0]), int.Parse(parts[1].Split('x')[1]));
            run.Output(
                name,
                parts[0] == "index"
                    ? RelativePositions.Index((height, width))
                    : Windows.ShiftMask(height, width, int.Parse(parts[2][1..]), int.Parse(parts[3][1..]))
            );
        }
    }
}
