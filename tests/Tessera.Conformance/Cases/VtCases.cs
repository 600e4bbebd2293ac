using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("vt.module")]
internal sealed class VtModules : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var sizes = new VisualTokenSizes(
            c.Int("feature_channels"),
            c.Int("num_tokens"),
            c.Int("token_channels"),
            c.Int("transformer_dim"),
            c.Int("projector_dim"),
            c.Bool("tokenizer_value"),
            c.Bool("transformer_value"),
            c.Bool("projector_value"),
            c.Bool("scale_logits")
        );
        var modules = run.Load(VisualTokenModule.Row(sizes, run.File.Parameters.Select(p => p.Name.Split('.')[0]).Distinct().Count()));
        using var taps = new Taps(modules, "*.tokenizer.attention");
        c.Expect("pixels", run.Input("x").Size(1));
        (Tensor Pixels, Tensor? Tokens) state = (run.Input("x"), null);
        foreach (var (i, module) in modules.Index())
        {
            state = module.Call(state);
            run.Output($"out.attn{i}", taps[$"{i}.tokenizer.attention"].Squeeze(1).MT);
            run.Output($"out.tokens{i}", state.Tokens!);
            run.Output($"out.features{i}", state.Pixels);
        }
    }
}

[Case("vt.resnet")]
internal sealed class VtResNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("block", "basic", "bottleneck");
        c.Expect("feature_channels", c.String("block") == "basic" ? 256 : 1024);
        c.Expect("bias", false);
        c.Expect("head", "mean over tokens, linear");
        var model = run.Load(
            new VtResNet(
                new VtResNet.Config(
                    c.Size("image_size"),
                    c.Ints("layers"),
                    c.String("block") == "bottleneck",
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Int("num_tokens"),
                    c.Int("token_channels"),
                    c.Int("transformer_dim"),
                    c.Int("projector_dim"),
                    c.Bool("tokenizer_value"),
                    c.Bool("transformer_value"),
                    c.Bool("projector_value"),
                    c.Bool("scale_logits")
                )
            )
        );
        using var taps = new Taps(model, "layer3", "vt.*.tokenizer.attention", "vt.*.transformer");
        run.Output("out.logits", model.Call(run.Input("x")));
        run.Output("out.stage4", taps["layer3"]);
        for (var i = 0; i < model.Options.Layers[3]; i++)
        {
            run.Output($"out.attn{i}", taps[$"vt.{i}.tokenizer.attention"].Squeeze(1).MT);
            run.Output($"out.tokens{i}", taps[$"vt.{i}.transformer"]);
        }
    }
}

[Case("vt.fpn")]
internal sealed class VtFpnNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "vt_fpn");
        c.ExpectOneOf("block", "basic", "bottleneck");
        var model = run.Load(
            new VtFpn(
                new ResNet(
                    new ResNet.Config(c.Size("image_size"), c.Ints("layers"), c.String("block") == "bottleneck", 0, c.Int("in_channels"))
                ),
                new VtFpnOptions(
                    c.Int("fpn_channels"),
                    c.Int("token_channels"),
                    c.Int("num_tokens_per_level"),
                    c.Int("head_channels"),
                    c.Int("groupnorm_groups"),
                    c.Bool("scale_logits")
                ),
                c.Int("num_classes")
            )
        );
        using var taps = new Taps(model, "tokens", "p*");
        run.Output("out.logits", model.Call(run.Input("x")));
        foreach (var (name, value) in taps.Records)
            run.Output($"out.{name}", value);
    }
}

[Case("vt.advanced-loss")]
internal sealed class VtAdvancedLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "advanced_loss");
        c.Expect("num_classes", run.Input("student").Size(1));
        c.Expect("cross_entropy_weight", 1 - c.Double("distillation_weight"));
        var (loss, distillation, crossEntropy) = AdvancedLoss.Of(
            run.Input("student"),
            run.Input("teacher"),
            run.Input("labels"),
            c.Double("distillation_weight"),
            c.Double("label_smoothing"),
            c.Double("temperature")
        );
        run.Output("loss", loss);
        run.Output("distillation", distillation);
        run.Output("cross_entropy", crossEntropy);
    }
}
