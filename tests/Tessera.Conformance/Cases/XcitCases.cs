using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("xcit.network")]
[Case("qkv-embedding.network")]
internal sealed class XcitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("architecture", run.File.Case == "xcit.network" ? "xcit" : "xcit_qkv");
        var xcit = run.Load(
            new Xcit(
                new Xcit.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("mlp_ratio"),
                    c.Bool("qkv_bias"),
                    c.Int("class_attention_layers"),
                    c.Bool("tokens_norm"),
                    c.Double("layer_scale_init"),
                    c.Bool("use_position_encoding"),
                    c.Int("position_hidden_dim"),
                    c.Double("layer_norm_eps"),
                    c.Double("batch_norm_eps"),
                    Embedding(c),
                    c.Has("qkv_hidden_dim") ? c.Int("qkv_hidden_dim") : null,
                    c.Has("code_dim") ? c.Int("code_dim") : null
                )
            )
        );
        using var taps = new Taps(
            xcit,
            "patch_tokens",
            "position_encoding",
            "blocks.*",
            "blocks.*.attn",
            "blocks.*.local_mp",
            "cls_attn_blocks.*"
        );
        var pooled = xcit.ForwardHead(xcit.ForwardFeatures(run.Input("x")), preLogits: true);
        run.Output("out.patch_tokens", taps["patch_tokens"]);
        if (xcit.Options.PositionEncoding)
            run.Output("out.position_encoding", taps["position_encoding"]);
        for (var i = 0; i < xcit.Options.Depth; i++)
        {
            run.Output($"out.block{i}_xca", taps[$"blocks.{i}.attn"]);
            run.Output($"out.block{i}_lpi", taps[$"blocks.{i}.local_mp"]);
            run.Output($"out.block{i}", taps[$"blocks.{i}"]);
        }
        run.Output("out.trunk", taps[$"blocks.{xcit.Options.Depth - 1}"]);
        for (var i = 0; i < xcit.Options.ClassBlocks; i++)
            run.Output($"out.class_attention{i}", taps[$"cls_attn_blocks.{i}"]);
        run.Output("out.features", pooled);
        run.Output("out.logits", xcit.ForwardClassifier(pooled));
        foreach (var (name, tensor) in xcit.StateDict())
            run.Output($"after.{name}", tensor);
    }

    internal static QkvEmbedding Embedding(Config c) =>
        c.String("qkv_embedding", "linear") switch
        {
            "linear" => QkvEmbedding.Linear,
            "separate" => QkvEmbedding.Separate,
            "partially_shared" => QkvEmbedding.PartiallyShared,
            "fully_shared" => QkvEmbedding.FullyShared,
            var other => throw new NotSupportedException($"embedding {other}"),
        };
}

[Case("qkv-embedding.layer")]
internal sealed class QkvEmbeddingLayer : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("layer", "cross-covariance attention with non-linear q/k/v embedding");
        var layer = run.Load(
            new CrossCovarianceAttention(
                c.Int("embed_dim"),
                c.Int("num_heads"),
                embedding: XcitNetwork.Embedding(c),
                hidden: c.Has("qkv_hidden_dim") ? c.Int("qkv_hidden_dim") : null,
                codeDim: c.Has("code_dim") ? c.Int("code_dim") : null
            )
        );
        using var taps = new Taps(layer, "queries", "keys", "values");
        var y = layer.Call(run.Input("x"));
        run.Output("out.q", taps["queries"]);
        run.Output("out.k", taps["keys"]);
        run.Output("out.v", taps["values"]);
        run.Output("out.y", y);
    }
}

[Case("xcit.position-encoding")]
internal sealed class XcitPositionEncoding : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        run.Output("encoding", Xcit.Sines(c.Int("height"), c.Int("width"), c.Int("hidden_dim"), c.Double("temperature")));
    }
}
