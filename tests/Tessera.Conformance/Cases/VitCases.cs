using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("vit.network")]
internal sealed class VitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("architecture", "vit");
        c.ExpectOneOf("global_pool", "token", "avg");
        var vit = run.Load(
            new Vit(
                new Vit.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("mlp_ratio"),
                    c.Bool("qkv_bias"),
                    c.String("global_pool"),
                    c.Bool("class_token"),
                    c.Int("register_tokens", 0),
                    c.Bool("no_embed_class", false),
                    c.Has("layer_scale_init") ? c.Double("layer_scale_init") : null,
                    c.Bool("qk_norm", false),
                    c.Bool("pre_norm", false),
                    RepresentationSize: c.Has("representation_size") ? c.Int("representation_size") : null,
                    DynamicImageSize: c.Bool("dynamic_image_size", false),
                    Eps: c.Double("layer_norm_eps")
                )
            )
        );
        using var taps = new Taps(vit, "patch_tokens", "embedded", "normed", "head_input", "blocks.*", "blocks.*.attn.attention");
        var pooled = vit.ForwardHead(vit.ForwardFeatures(run.Input("x")), preLogits: true);
        run.Output("out.features", pooled);
        run.Output("out.logits", vit.ForwardClassifier(pooled));
        foreach (var name in new[] { "patch_tokens", "embedded", "normed" })
            run.Output($"out.{name}", taps[name]);
        for (var i = 0; i < vit.Options.Depth; i++)
        {
            run.Output($"out.block{i}", taps[$"blocks.{i}"]);
            run.Output($"out.block{i}_attention", taps[$"blocks.{i}.attn.attention"]);
        }
    }
}

[Case("vit.position-resize")]
internal sealed class PositionResize : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("embed_dim", run.Input("pos_embed").Size(-1));
        var mode = (c.String("mode"), c.Bool("align_corners"), c.Bool("antialias")) switch
        {
            ("bicubic", false, true) => PositionResampling.BicubicAntialiased,
            ("bicubic", false, false) => PositionResampling.Bicubic,
            ("bilinear", false, false) => PositionResampling.Bilinear,
            ("bilinear", true, false) => PositionResampling.BilinearAlignedCorners,
            var other => throw new NotSupportedException($"resampling {other}"),
        };
        run.Output(
            "resized",
            PositionTable.Resample(run.Input("pos_embed"), c.Size("old_grid"), c.Size("new_grid"), c.Int("num_prefix_tokens"), mode)
        );
    }
}

[Case("deit.network")]
internal sealed class DeitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("architecture", "deit");
        var config = new Vit.Config(
            c.Size("image_size"),
            c.Int("patch_size"),
            c.Int("embed_dim"),
            c.Int("depth"),
            c.Int("num_heads"),
            c.Int("num_classes"),
            c.Int("in_channels"),
            c.Double("mlp_ratio"),
            c.Bool("qkv_bias"),
            Eps: c.Double("layer_norm_eps")
        );
        var distilled = c.Bool("distilled");
        var model = run.Load(distilled ? new Deit(config) : new Vit(config));
        if (!distilled)
        {
            var pooled = model.ForwardHead(model.ForwardFeatures(run.Input("x")), preLogits: true);
            run.Output("out.features", pooled);
            run.Output("out.logits", model.ForwardClassifier(pooled));
            return;
        }
        using var taps = new Taps(model, "*");
        var logits = model.Run(new(run.Input("x"))).Logits;
        foreach (var name in new[] { "class_features", "distillation_features", "class_logits", "distillation_logits" })
            run.Output($"out.{name}", taps[name]);
        if (!run.Training)
            run.Output("out.logits", logits);
    }
}
