using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("convit.network")]
internal sealed class ConVitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var model = run.Load(
            new ConVit(
                new ConVit.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Int("local_up_to_layer"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    MlpRatio: c.Double("mlp_ratio", 4),
                    QkvBias: c.Bool("qkv_bias", false),
                    Eps: c.Double("layer_norm_eps")
                )
            )
        );
        using var taps = new Taps(model, "blocks.*", "blocks.0.attn.attention");
        run.Output("out.logits", model.Call(run.Input("x")));
        run.Output("out.attention0", taps["blocks.0.attn.attention"]);
        for (var i = 0; i < model.Options.Depth; i++)
            run.Output($"out.block{i}", taps[$"blocks.{i}"]);
    }
}
