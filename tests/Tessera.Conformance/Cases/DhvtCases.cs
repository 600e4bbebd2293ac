using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("dhvt.network")]
internal sealed class DhvtNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("architecture", "dhvt");
        var dhvt = run.Load(
            new Dhvt(
                new Dhvt.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("mlp_ratio"),
                    c.Bool("qkv_bias"),
                    Eps: c.Double("layer_norm_eps"),
                    HeadTokenEps: c.Double("head_token_norm_eps"),
                    BatchNormEps: c.Double("batch_norm_eps")
                )
            )
        );
        using var taps = new Taps(dhvt, "patch_tokens", "blocks.*", "blocks.*.attn", "blocks.*.mlp");
        var pooled = dhvt.ForwardHead(dhvt.ForwardFeatures(run.Input("x")), preLogits: true);
        run.Output("out.patch_tokens", taps["patch_tokens"]);
        for (var i = 0; i < dhvt.Options.Depth; i++)
        {
            run.Output($"out.block{i}_attn", taps[$"blocks.{i}.attn"]);
            run.Output($"out.block{i}_daff", taps[$"blocks.{i}.mlp"]);
            run.Output($"out.block{i}", taps[$"blocks.{i}"]);
        }
        run.Output("out.features", pooled);
        run.Output("out.logits", dhvt.ForwardClassifier(pooled));
        foreach (var (name, tensor) in dhvt.StateDict())
            run.Output($"after.{name}", tensor);
    }
}
