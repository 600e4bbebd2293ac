using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("cmt.network")]
internal sealed class CmtNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("x");
        var cmt = run.Load(
            new Cmt(
                new Cmt.Config(
                    c.Size("image_size"),
                    c.Ints("embed_dims"),
                    c.Ints("depths"),
                    c.Ints("num_heads"),
                    c.Doubles("mlp_ratios"),
                    c.Int("stem_channels"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Ints("sr_ratios"),
                    c.Int("qk_ratio"),
                    c.Bool("qkv_bias"),
                    c.Int("fc_dim"),
                    run.Rate("head_dropout"),
                    DropPath: run.Rate("drop_path_rate"),
                    BlockEps: c.Double("block_layer_norm_eps"),
                    PatchEps: c.Double("patch_layer_norm_eps"),
                    BatchNormEps: c.Double("batch_norm_eps")
                )
            )
        );
        using var taps = new Taps(cmt, "*");
        run.Output("out.logits", cmt.Call(run.Input("x")));
        foreach (var name in new[] { "stem", "stage_a", "stage_b", "stage_c", "stage_d" })
            run.Output($"out.{name}", taps[name]);
        foreach (var (name, tensor) in cmt.StateDict())
            run.Output($"after.{name}", tensor);
    }
}
