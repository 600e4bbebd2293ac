using Tessera.Optim;
using Tessera.Training;
using Tessera.Training.Loop;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;
using Tessera.Training.Tasks.Classification;

namespace Tessera.Conformance.Cases;

[Case("cct.label-smoothing-loss")]
internal sealed class LabelSmoothing : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("num_classes", run.Input("logits").Size(1));
        run.Output(
            "loss",
            ClassificationLosses.CrossEntropy(
                run.Input("logits"),
                run.Input("labels"),
                run.Config.Double("smoothing"),
                Enum.Parse<Reduction>(run.Config.String("reduction"), ignoreCase: true)
            )
        );
    }
}

[Case("deit.distillation-loss")]
internal sealed class DistillationLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (logits, labels) = (run.Input("class_logits"), run.Input("labels"));
        c.Expect("num_classes", logits.Size(1));
        c.ExpectOneOf("soft_loss_divisor", "batch * num_classes", "batch");
        var smoothing = c.Double("smoothing", 0);
        if (c.String("base_loss") != "soft_target_ce")
            c.ExpectNone("mixup_lambda");
        var own = run.Output(
            "base_loss",
            c.String("base_loss") switch
            {
                "soft_target_ce" => ClassificationLosses.SoftCrossEntropy(logits, run.Output("soft_targets", Mixed(labels, c, run.Real))),
                "label_smoothing_ce" => ClassificationLosses.CrossEntropy(logits, labels, smoothing),
                // Hard labels, whatever smoothing stands beside.
                "ce" or "cross_entropy" => ClassificationLosses.CrossEntropy(logits, labels),
                var other => throw new NotSupportedException($"a base loss '{other}'"),
            }
        );
        run.Output(
            "loss",
            ClassificationLosses.Distillation(
                own,
                run.Input("distillation_logits"),
                run.Input("teacher_logits"),
                Enum.Parse<DistillationKind>(c.String("distillation_type"), ignoreCase: true),
                c.Double("alpha"),
                c.Double("tau"),
                c.String("soft_loss_divisor", "batch * num_classes") == "batch"
            )
        );
    }

    // Smoothed labels of the batch mixed with those of the batch in reverse.
    private static Tensor Mixed(Tensor labels, Config c, DType real)
    {
        var (classes, smoothing, lambda) = (c.Int("num_classes"), c.Double("smoothing"), c.Double("mixup_lambda"));
        var smoothed = labels.OneHot(classes).To(real) * (1 - smoothing) + smoothing / classes;
        return smoothed * lambda + smoothed.Flip(0) * (1 - lambda);
    }
}

[Case("deit.lr-schedule")]
internal sealed class DeitSchedule : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var schedule = new CosineOptions(
            c.Int("epochs"),
            c.Double("warmup_epochs"),
            c.Double("warmup_lr"),
            c.Double("min_lr"),
            CosineForm.Deit,
            Cooldown: c.Int("cooldown_epochs")
        );
        double Epoch(int epoch) => schedule.LearningRate(c.Double("lr"), epoch, 1);
        run.Output("lr_at_start", Epoch(0));
        run.Output("lr_after_epoch", Enumerable.Range(1, c.Int("total_epochs_with_cooldown")).Select(Epoch));
    }
}

[Case("deit.adamw-ema")]
internal sealed class AdamWithAverage : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("loss", "sum(w * a_k) + 0.5*sum(w^2) summed over both tensors, a_k = input grad_k");
        // What has gradients is a parameter.
        const string Gradient = "grad0_";
        var names = run.File.Inputs.Keys.Where(name => name.StartsWith(Gradient, StringComparison.Ordinal));
        var parameters = new GivenParameters(run, names.Select(name => name[Gradient.Length..]));
        var optimizer = new AdamW(
            ParameterGroup.Split(parameters, c.Double("weight_decay")),
            c.Double("lr"),
            c.Doubles("betas")[0],
            c.Doubles("betas")[1],
            c.Double("eps")
        );
        using var average = new Ema(parameters);
        for (var step = 0; step < c.Int("steps"); step++)
        {
            optimizer.ZeroGrad();
            var loss = parameters
                .All.Select(p => (p.Parameter * run.Input($"grad{step}_{p.Name}")).Sum() + 0.5 * p.Parameter.Square().Sum())
                .Aggregate((a, b) => a + b);
            loss.Backward();
            if (c.Has("clip_grad_norm"))
                run.Output($"norm{step}", GradientClipping.ByNorm(parameters.Parameters(), c.Double("clip_grad_norm")));
            optimizer.Step();
            average.Update(c.Double("ema_decay"));
            foreach (var (name, parameter) in parameters.All)
                run.Output($"{name}_after_{step + 1}", parameter.Detach().Clone());
        }
        foreach (var (name, value) in average.StateDict())
            run.Output($"ema_{name}", value.Clone());
    }
}

[Case("metrics.classification")]
internal sealed class FiguresOfClassifier : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var classes = run.Config.Int("num_classes");
        var metrics = new ClassificationEvaluator(classes, run.Config.Int("ece_bins"));
        var logits = run.Input("logits");
        metrics.Add(logits, run.Input("labels"), [.. Enumerable.Range(0, (int)logits.Size(0))]);
        var found = metrics.Measure();
        foreach (var k in run.Config.Ints("ks"))
            run.Output($"top{k}", 100 * metrics.Top(k));
        run.Output("per_class", found.PerClass.Select(recall => recall ?? -1));
        run.Output("mean_per_class", found.MeanPerClass);
        run.Output("ece", found.Ece);
        run.Output("mce", found.Mce);
        run.Output("bin_counts", found.Calibration.Select(bin => (double)bin.Count));
        run.Output("nll", found.Loss);
        run.Output("brier", found.Brier);
        run.Output("confusion", found.Confusion.SelectMany(row => row).Select(count => (double)count), classes, classes);
    }
}
