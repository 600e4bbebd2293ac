using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("cct.network")]
internal sealed class CctNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("class_token", !c.Bool("sequence_pooling"));
        var tokenizer = Tokenizer(c);
        // The recorded networks have no dropout or stochastic depth.
        var cct = run.Load(
            new Cct(
                new Cct.Config(
                    c.Size("image_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Double("mlp_ratio"),
                    tokenizer,
                    c.Bool("sequence_pooling"),
                    c.String("positional_embedding"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    0,
                    0,
                    0
                )
            )
        );
        using var taps = new Taps(cct, "tokens", "classifier.blocks.*", "classifier.*");
        var pooled = cct.ForwardHead(cct.ForwardFeatures(run.Input("x")), preLogits: true);
        run.Output("out.tokens", taps["tokens"]);
        for (var i = 0; i < cct.Options.Depth; i++)
            run.Output($"out.block{i}", taps[$"classifier.blocks.{i}"]);
        run.Output("out.encoded", taps["classifier.encoded"]);
        if (cct.Options.SequencePool)
            run.Output("out.pool_weights", taps["classifier.pool_weights"]);
        run.Output("out.features", pooled);
        run.Output("out.logits", cct.ForwardClassifier(pooled));
        if (cct.StateDict().TryGetValue("classifier.positional_emb", out var table))
            run.Output("positional_emb", table);
    }

    // CCT convolves and pools, the others cut into patches.
    private static Cct.TokenizerConfig Tokenizer(Config c)
    {
        c.ExpectOneOf("architecture", "cct", "cvt", "vit_lite");
        if (c.String("architecture") == "cct")
        {
            c.ExpectNone("patch_size");
            c.Expect("conv_bias", false);
            return new(
                c.Int("kernel_size"),
                c.Int("conv_stride"),
                c.Int("conv_padding"),
                c.Int("conv_layers"),
                true,
                c.Int("pool_kernel"),
                c.Int("pool_stride"),
                c.Int("pool_padding"),
                c.Int("tokenizer_hidden_channels", 64)
            );
        }
        c.Expect("sequence_pooling", c.String("architecture") == "cvt");
        c.ExpectOneOf<int?>("kernel_size", c.Int("patch_size"), null);
        c.Expect("conv_bias", true);
        c.ExpectNone("conv_layers", "conv_stride", "conv_padding", "tokenizer_hidden_channels");
        c.ExpectNone("pool_kernel", "pool_stride", "pool_padding");
        return Cct.TokenizerConfig.Patches(c.Int("patch_size"));
    }
}

[Case("cct.text-network")]
internal sealed class CctTextNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("architecture", "text_cct", "text_cvt", "text_vit_lite", "text_transformer");
        var kind = c.String("architecture")["text_".Length..];
        // Only CCT convolves with another stride than its kernel and pools; only the transformer takes words as they are.
        if (kind != "cct")
            c.ExpectNone("conv_stride", "conv_padding", "pool_kernel", "pool_stride", "pool_padding");
        if (kind is "cct" or "transformer")
            c.ExpectNone("patch_size");
        if (kind == "transformer")
            c.ExpectNone("kernel_size");
        var kernel = c.Int(c.Has("kernel_size") ? "kernel_size" : "patch_size", 1);
        c.ExpectOneOf<int?>("patch_size", kernel, null);
        var text = run.Load(
            new TextCct(
                new TextCct.Config(
                    kind,
                    c.Int("seq_len"),
                    c.Int("vocab_size"),
                    c.Int("word_embedding_dim"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Double("mlp_ratio"),
                    kernel,
                    c.Int("num_classes"),
                    c.String("positional_embedding"),
                    c.Int("padding_idx"),
                    0,
                    0,
                    0,
                    c.Has("conv_stride") ? c.Int("conv_stride") : null,
                    c.Has("conv_padding") ? c.Int("conv_padding") : null,
                    c.Int("pool_kernel", 2),
                    c.Int("pool_stride", 2),
                    c.Int("pool_padding", 1)
                )
            )
        );
        run.Output("out.logits", text.Call(run.Input("ids")));
        using var taps = new Taps(text, "tokens", "token_mask");
        run.Output("out.logits_masked", text.Run(new(run.Input("ids"), run.Input("mask"))).Logits);
        run.Output("out.tokens_masked", taps["tokens"]);
        if (taps.Records.TryGetValue("token_mask", out var mask))
            run.Output("out.token_mask", mask);
    }
}

[Case("cct.sinusoid-table")]
internal sealed class CctSinusoidTable : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (positions, dim) = (run.Config.Int("positions"), run.Config.Int("embed_dim"));
        run.Output("image", PositionTable.Sine(positions, dim));
        run.Output("text", CompactClassifier.TextSine(positions, dim));
    }
}
