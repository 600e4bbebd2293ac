using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

internal static class SotConfig
{
    public static SecondOrderHead.Config Head(Config c) =>
        new(
            c.Int("embed_dim"),
            c.Int("num_classes"),
            c.Int("pool_heads"),
            c.Int("pool_dim"),
            Fused(c),
            c.String("representation", "MGCrP") switch
            {
                "MGCrP" => SecondOrderHead.Statistic.CrossCovariance,
                "GCP" => SecondOrderHead.Statistic.Covariance,
                "GAP" => SecondOrderHead.Statistic.Mean,
                var other => throw new NotSupportedException($"representation {other}"),
            },
            c.String("normalization", "none") switch
            {
                "svPN" => SecondOrderHead.Normalization.SingularValues,
                "ePN" => SecondOrderHead.Normalization.Elements,
                "sqrt_d" => SecondOrderHead.Normalization.Scale,
                "sqrt_t" => SecondOrderHead.Normalization.LearnedScale,
                "LN" => SecondOrderHead.Normalization.LayerNorm,
                "none" => SecondOrderHead.Normalization.None,
                var other => throw new NotSupportedException($"normalization {other}"),
            },
            c.Double("alpha", 0.5),
            c.Int("iterations", 1),
            c.Has("singular_values") ? c.Int("singular_values") : null,
            c.Double("head_dropout", 0)
        );

    // How class token and words meet, where there are both.
    private static SecondOrderHead.Fusion Fused(Config c)
    {
        SecondOrderHead.Fusion? fusion = c.String("fusion", "none") switch
        {
            "none" => null,
            "sum_fc" => SecondOrderHead.Fusion.Sum,
            "concat" => SecondOrderHead.Fusion.Concat,
            "sum_loss" => SecondOrderHead.Fusion.Losses,
            "aggre_all" => SecondOrderHead.Fusion.All,
            var other => throw new NotSupportedException($"fusion {other}"),
        };
        if (!c.Bool("class_token", true))
            return SecondOrderHead.Fusion.Words;
        if (!c.Has("representation"))
            return SecondOrderHead.Fusion.ClassToken;
        return fusion ?? throw new NotSupportedException("a class token and words without a fusion");
    }
}

[Case("sot.network")]
internal sealed class SotNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("architecture", "sot");
        var tokens = c.String("token_embedding") switch
        {
            "DenseNet" => VisualTokens.Style.Dense,
            "ResNet" => VisualTokens.Style.Residual,
            "Inception" => VisualTokens.Style.Inception,
            "Naive_linear" => VisualTokens.Style.Patches,
            var other => throw new NotSupportedException($"token embedding {other}"),
        };
        var model = run.Load(
            new Sot(
                new Sot.Config(
                    c.Size("image_size"),
                    c.Int("embed_dim"),
                    c.Int("depth"),
                    c.Int("num_heads"),
                    c.Double("mlp_ratio"),
                    c.Int("pool_heads"),
                    c.Int("pool_dim"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    tokens,
                    c.Int("token_dim", 64),
                    c.Bool("large_output", false),
                    SotConfig.Head(c),
                    c.Bool("qkv_bias"),
                    c.Double("layer_norm_eps"),
                    run.Rate("head_dropout")
                )
            )
        );
        using var taps = new Taps(model, "*", "blocks.*", "classifier.*");
        run.Output("out.logits", model.Call(run.Input("x")));
        run.Output("out.visual_tokens", taps["visual_tokens"]);
        for (var i = 0; i < model.Options.Depth; i++)
            run.Output($"out.block{i}", taps[$"blocks.{i}"]);
        run.Output("out.normed", taps["normed"]);
        foreach (var name in new[] { "second_order", "class_token_logits" })
            if (taps.Records.TryGetValue($"classifier.{name}", out var value))
                run.Output($"out.{name}", value);
    }
}

[Case("sot.head")]
internal sealed class SotHead : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var config = SotConfig.Head(run.Config);
        // [B, N, D], behind the class token where there is one
        run.Config.Expect("num_tokens", run.Input("tokens").Size(1) - (run.Config.Bool("class_token", true) ? 1 : 0));
        var head = run.Load(new SecondOrderHead(config));
        using var taps = new Taps(head, "*");
        var pooled = head.Pool(run.Input("tokens"), run.Config.Bool("class_token", true));
        if (taps.Records.TryGetValue("second_order", out var statistics))
            run.Output("out.second_order", statistics);
        if (config.Fusion == SecondOrderHead.Fusion.Losses)
        {
            var (byClass, byWords) = head.ClassifyApart(pooled);
            run.Output("out.output.0", byClass);
            run.Output("out.output.1", byWords);
        }
        else
            run.Output("out.output", head.Classify(pooled));
    }
}

[Case("sot.svpn")]
internal sealed class SotSingularValuePower : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var layer = run.Load(
            new SingularValuePower(
                c.Int("matrix_dim"),
                c.Int("iterations"),
                c.Has("singular_values") ? c.Int("singular_values") : null,
                c.Double("alpha")
            )
        );
        var y = run.Output("y", layer.Call(run.Input("x")).Flatten(1));
        run.Differentiate((y * run.Input("cotangent")).Sum());
    }
}

[Case("sot.cross-covariance")]
internal sealed class SotCrossCovariance : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        foreach (var name in new[] { "a", "b" })
        {
            run.Config.Expect("tokens", run.Input(name).Size(1));
            run.Config.Expect("dim", run.Input(name).Size(2));
        }
        var y = run.Output("y", SecondOrder.CrossCovariance(run.Input("a"), run.Input("b")));
        run.Differentiate((y * run.Input("cotangent")).Sum());
    }
}

[Case("sot.isqrt-covariance")]
internal sealed class SotSquareRootOfCovariance : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("tokens", run.Input("x").Size(1));
        run.Config.Expect("dim", run.Input("x").Size(2));
        run.Config.Expect("vectorisation", "upper triangle, row-major");
        var covariance = run.Output("covariance", SecondOrder.Covariance(run.Input("x")));
        var y = run.Output("y", SecondOrder.UpperTriangle(SecondOrder.SquareRoot(covariance, run.Config.Int("newton_schulz_iterations"))));
        run.Differentiate((y * run.Input("cotangent")).Sum());
    }
}
