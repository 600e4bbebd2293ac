using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("cvt.network")]
internal sealed class CvTNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (patches, strides, paddings, dims, depths, heads) = (
            c.Ints("patch_sizes"),
            c.Ints("patch_strides"),
            c.Ints("patch_paddings"),
            c.Ints("embed_dims"),
            c.Ints("depths"),
            c.Ints("num_heads")
        );
        run.ExpectBatch("x");
        var drop = run.Rate("drop_path_rate");
        var (tokens, ratios, biases) = (c.Bools("cls_token"), c.Doubles("mlp_ratios"), c.Bools("qkv_bias"));
        var model = run.Load(
            new CvT(
                new CvT.Config(
                    c.Size("image_size"),
                    [
                        .. dims.Select(
                            (dim, i) =>
                                new CvT.StageConfig(
                                    patches[i],
                                    strides[i],
                                    paddings[i],
                                    dim,
                                    depths[i],
                                    heads[i],
                                    tokens[i],
                                    ratios[i],
                                    biases[i],
                                    drop
                                )
                        ),
                    ],
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.String("qkv_proj_method"),
                    c.Int("kernel_qkv"),
                    c.Int("padding_q"),
                    c.Int("stride_q"),
                    c.Int("padding_kv"),
                    c.Int("stride_kv"),
                    c.String("activation"),
                    c.Double("layer_norm_eps")
                )
            )
        );
        using var taps = new Taps(model, "*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var i = 0; i < dims.Length; i++)
            run.Output($"out.stage{i}", taps[$"stage{i}"]);
        foreach (var (name, tensor) in model.StateDict())
            run.Output($"after.{name}", tensor);
    }
}
