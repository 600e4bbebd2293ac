using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("internimage.operator")]
internal sealed class InternImageOperator : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var sampling = new DeformableSampling(
            c.Int("group"),
            (c.Int("kernel_h"), c.Int("kernel_w")),
            (c.Int("stride_h"), c.Int("stride_w")),
            (c.Int("pad_h"), c.Int("pad_w")),
            (c.Int("dilation_h"), c.Int("dilation_w")),
            c.Double("offset_scale"),
            c.Bool("remove_center", false)
        );
        var offset = run.Input("offset");
        c.Expect("group_channels", run.Input("input").Size(-1) / sampling.Groups);
        var mask = run.Input("mask_logits").Softmax(-1).Reshape(offset.Size(0), offset.Size(1), offset.Size(2), -1);
        run.Output("output", sampling.Apply(run.Input("input"), offset, mask));
    }
}

[Case("internimage.module")]
internal sealed class InternImageModule : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var layer = run.Load(
            new Dcnv3(
                c.Int("channels"),
                c.Int("group"),
                c.Int("kernel_size"),
                c.Has("dw_kernel_size") ? c.Int("dw_kernel_size") : null,
                c.Double("offset_scale"),
                c.Bool("center_feature_scale", false),
                c.Bool("remove_center", false)
            )
        );
        run.Output("out", layer.Call(run.Input("x")));
    }
}

[Case("internimage.network")]
internal sealed class InternImageNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var model = run.Load(
            new InternImage(
                new InternImage.Config(
                    c.Size("image_size"),
                    c.Int("channels"),
                    c.Ints("depths"),
                    c.Ints("groups"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("mlp_ratio"),
                    c.Bool("post_norm", false),
                    c.Has("layer_scale") ? c.Double("layer_scale") : null,
                    c.Double("offset_scale"),
                    c.Int("kernel_size", 3),
                    c.Has("dw_kernel_size") ? c.Int("dw_kernel_size") : null,
                    Level2(c),
                    c.Bool("res_post_norm", false),
                    c.Bool("center_feature_scale", false),
                    c.Bool("remove_center", false),
                    c.Bool("use_clip_projector", false),
                    c.Double("cls_scale", 1.5),
                    DropPath: run.Rate("drop_path_rate")
                )
            )
        );
        using var taps = new Taps(model, "levels.*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var i = 0; i < model.Options.Depths.Count; i++)
            run.Output($"stage{i}", taps[$"levels.{i}"].Permute(0, 2, 3, 1));
    }

    private static int[]? Level2(Config c)
    {
        if (c.Bool("level2_post_norm", false))
            return c.Ints("level2_post_norm_block_ids");
        c.ExpectNone("level2_post_norm_block_ids");
        return null;
    }
}
