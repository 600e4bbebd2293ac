using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("t2t.network")]
internal sealed class T2tNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("tokens_type", "performer", "transformer");
        run.ExpectBatch("x");
        var model = run.Load(
            new T2tVit(
                new T2tVit.Config(
                    c.Size("image_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Double("mlp_ratio"),
                    c.String("tokens_type") == "transformer",
                    c.Int("token_dim"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Bool("qkv_bias"),
                    c.Has("qk_scale") ? c.Double("qk_scale") : null,
                    c.Double("performer_kernel_ratio", 0.5),
                    c.Double("performer_eps", 1e-8),
                    c.Double("layer_norm_eps"),
                    DropPath: run.Rate("drop_path_rate")
                )
            )
        );
        using var taps = new Taps(model, "tokens_to_token", "tokens_to_token.*", "blocks.*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var i = 1; i <= 2; i++)
            run.Output($"out.token_attention{i}", taps[$"tokens_to_token.attention{i}"]);
        run.Output("out.tokens", taps["tokens_to_token"]);
        run.Output("out.last_block", taps[model.BlockPaths[^1]]);
    }
}

[Case("t2t.position-tables")]
internal sealed class T2tPositionTables : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("resize_dim", run.Input("pos_embed").Size(-1));
        run.Output("sinusoid", PositionTable.Sine(c.Int("positions"), c.Int("dim"), roundAngles: false));
        run.Output(
            "resized",
            PositionTable.Resample(run.Input("pos_embed"), c.Size("resize_from"), c.Size("resize_to"), 1, PositionResampling.Bicubic)
        );
    }
}
