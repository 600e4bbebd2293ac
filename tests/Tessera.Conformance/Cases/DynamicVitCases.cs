using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("dynamicvit.network")]
internal sealed class DynamicVitNetwork : GoldenCase
{
    internal static DynamicVit Create(Config c)
    {
        c.ExpectOneOf("backbone", "deit", "lvvit");
        return new(
            new DynamicVit.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_heads"),
                c.Ints("pruning_layers"),
                c.Doubles("keep_ratios"),
                c.String("backbone") == "lvvit",
                LvVitNetwork.Filters(c),
                c.Double("skip_lambda", 1),
                c.Bool("qkv_bias"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Double("mlp_ratio")
            )
        );
    }

    public override void Run(GoldenRun run)
    {
        var model = run.Load(Create(run.Config));
        using var taps = new Taps(model, "*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var stage = 0; stage < model.Options.PruningLayers.Count; stage++)
        {
            run.Output($"score{stage}", taps[$"score{stage}"]);
            run.Output($"keep{stage}", taps[$"keep{stage}"].Sort(-1).Item1);
        }
    }
}

[Case("dynamicvit.network-train")]
internal sealed class DynamicVitNetworkTrain : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var model = run.Load(DynamicVitNetwork.Create(run.Config));
        var stages = model.Options.PruningLayers.Count;
        var draws = Enumerable.Range(0, stages).ToDictionary(DynamicVit.Gumbel, stage => run.Input($"gumbel{stage}"));
        var outputs = model.Run(new(run.Input("x")) { Draws = draws });
        run.Output("out.logits", outputs.Logits);
        run.Output("out.tokens", outputs.Named[DynamicVit.Tokens]);
        run.Output("out.mask", outputs.Named[DynamicVit.Mask]);
        for (var stage = 0; stage < stages; stage++)
            run.Output($"out.decision{stage}", outputs.Named[DynamicVit.Decision(stage)]);
    }
}

[Case("dynamicvit.masked-softmax")]
internal sealed class DynamicVitMaskedSoftmax : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        // The file lists whole numbers, and a gradient for them.
        var policy = run.Input("policy").Detach().To(run.Real);
        policy.RequiresGrad = true;
        run.Leaf("policy", policy);
        run.Output("probabilities", DynamicVit.MaskedSoftmax(run.Input("scores"), policy, run.Config.Double("eps")));
    }
}

[Case("dynamicvit.loss")]
internal sealed class DynamicVitLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var targets = run.Input("targets");
        var loss = TokenSparsification.Loss(
            run.Input("logits"),
            run.Input("tokens"),
            run.Input("teacher_logits"),
            run.Input("teacher_tokens"),
            targets / targets.Sum([1], true),
            [.. Enumerable.Range(0, c.Int("num_stages")).Select(stage => run.Input($"decision{stage}"))],
            run.Input("mask"),
            c.Doubles("keep_ratios"),
            c.Bool("mse_token") ? TokenSparsification.TokenTerm.MeanSquared : TokenSparsification.TokenTerm.Divergence,
            new(c.Double("classification_weight"), c.Double("ratio_weight"), c.Double("distill_weight"))
        );
        run.Output("loss", loss.Total);
        run.Output("parts", Torch.Stack([.. loss.Parts.Values]));
    }
}
