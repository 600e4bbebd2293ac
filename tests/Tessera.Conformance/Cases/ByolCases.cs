using Tessera.Models;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Objectives.SelfSupervision;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("byol.regression-loss")]
internal sealed class ByolRegressionLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        foreach (var name in new[] { "prediction1", "prediction2", "projection1", "projection2" })
        foreach (var (i, size) in new[] { "batch", "dim" }.Index())
            run.Config.Expect(size, run.Input(name).Size(i));
        var rows =
            NormalizedRegression.Rows(run.Input("prediction1"), run.Input("projection2"))
            + NormalizedRegression.Rows(run.Input("prediction2"), run.Input("projection1"));
        run.Output("per_sample", rows);
        run.Output("loss", rows.Mean());
    }
}

[Case("byol.schedules")]
internal sealed class ByolSchedules : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var steps = c.Int("total_steps");
        run.Output("tau", Enumerable.Range(0, steps).Select(step => CosineRamp.At(c.Double("base_target_ema"), 1, step, steps)));
        var top = new LarsOptions(c.Double("base_learning_rate"), LearningRateBatch: 256).TopLearningRate(c.Int("batch_size"));
        // An epoch of one step.
        var schedule = new CosineOptions(steps, c.Int("warmup_steps"), Form: CosineForm.Mae);
        run.Output("lr", Enumerable.Range(0, steps).Select(step => schedule.LearningRate(top, step, 1)));
    }
}

[Case("simclr.schedule")]
internal sealed class SimClrSchedule : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var batch = c.Int("batch_size");
        var schedule = StepCosineOptions.SimClr(c.Int("examples"), c.Int("epochs"), batch, c.Double("warmup_epochs"));
        var (per, scaling) = c.String("scaling") switch
        {
            "linear" => (256, LearningRateScaling.Linear),
            "sqrt" => (1, LearningRateScaling.Sqrt),
            var other => throw new NotSupportedException($"a scaling '{other}'"),
        };
        var top = new LarsOptions(c.Double("base_learning_rate"), LearningRateBatch: per, Scaling: scaling).TopLearningRate(batch);
        run.Output("lr", Enumerable.Range(0, (int)schedule.Steps).Select(step => schedule.LearningRate(top, step, 1)));
    }
}

[Case("byol.step")]
internal sealed class ByolStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("view1");
        run.ExpectBatch("view2");
        var options = new ByolOptions(ByolForm.Htdt, c.Int("head_size"), c.Int("embedding_dim"), c.Int("head_layers"), Probe: false);
        ResNet Encoder() => SmallEncoder.Of(c, (int)run.Input("view1").Size(1));
        var method = new Byol(options, new(Encoder(), run.Device) { Another = Encoder });
        run.Load(
            new Joined(run.File, method),
            // What follows is a module inside of ours.
            name => name.Replace("_t.module.", "_t.", StringComparison.Ordinal)
        );
        var (first, second) = (method.See(run.Input("view1")), method.See(run.Input("view2")));
        foreach (var (i, view) in new[] { first, second }.Index())
        {
            run.Output($"out.prediction{i + 1}", view.Prediction);
            run.Output($"out.target{i + 1}", view.Target);
        }
        var loss = run.Output("out.loss", Byol.Between(first, second));
        if (run.File.GradientOf == "cotangent sum of out.loss")
            run.Differentiate(loss * GoldenRun.Cotangent("out.loss", loss));
    }
}

[Case("byol.toy-step", Steps = true)]
internal sealed partial class ByolToyStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("view1");
        run.ExpectBatch("view2");
        var (size, channels) = (c.Int("image_size"), (int)run.Input("view1").Size(1));
        var (width, eps, momentum) = (c.Int("channels"), c.Double("batch_norm_eps"), c.Double("batch_norm_momentum"));
        Backbone NewEncoder() => new Toy(size, channels, width, eps, momentum);
        var options = new ByolOptions(
            Hidden: c.Int("hidden"),
            Dim: c.Int("output"),
            Tau: c.Double("tau"),
            Probe: false,
            NormEps: eps,
            NormMomentum: momentum
        );
        var method = new Byol(options, new(NewEncoder(), run.Device) { Another = NewEncoder });
        var members = method.Children.ToDictionary(child => child.Name, child => child.Module);
        // The reference's target has a predictor, too, which nobody asks.
        var predictor = new Byol(options, new(NewEncoder(), run.Device) { Another = NewEncoder })
            .Children.Single(m => m.Name == "pred")
            .Module;
        var unused = new MomentumCopy<Module>(members["pred"], predictor, asSource: false);
        run.Load(
            new Named(
                ("online", new Named(("encoder", members["model"]), ("projector", members["head"]), ("predictor", members["pred"]))),
                ("target", new Named(("encoder", members["model_t"]), ("projector", members["head_t"]), ("predictor", unused)))
            ),
            name =>
                name.Replace(".module.", ".", StringComparison.Ordinal)
                    .Replace("or.0.", "or.fc1.", StringComparison.Ordinal)
                    .Replace("or.1.", "or.bn.", StringComparison.Ordinal)
                    .Replace("or.3.", "or.fc2.", StringComparison.Ordinal)
        );
        var (first, second) = (method.See(run.Input("view1")), method.See(run.Input("view2")));
        foreach (var (i, view) in new[] { first, second }.Index())
        {
            run.Output($"out.projection{i + 1}", view.Projection);
            run.Output($"out.prediction{i + 1}", view.Prediction);
            run.Output($"out.target{i + 1}", view.Target);
        }
        var loss = run.Output("out.loss", Byol.Between(first, second));
        run.Differentiate(loss);
        var optimizer = new Sgd(ParameterGroup.All(method, 0), c.Double("sgd_learning_rate"), momentum: 0);
        loss.Backward();
        optimizer.Step();
        // The first step, whose tau is the one that the options name.
        var start = new Progress(0, 1, 0, 1);
        method.AfterStep(start);
        unused.Update(CosineRamp.At(c.Double("tau"), 1, 0, 1));
        foreach (
            var (name, source) in new (string, Module)[]
            {
                ("encoder", members["model_t"]),
                ("projector", members["head_t"]),
                ("predictor", unused),
            }
        )
        foreach (var (key, parameter) in source.NamedParameters())
            run.Output($"after.target.{name}.{Renamed(key)}", parameter.Detach());
    }

    private static string Renamed(string name)
    {
        var own = name["module.".Length..];
        return own.Split('.', 2) switch
        {
            ["0", var rest] => $"fc1.{rest}",
            ["1", var rest] => $"bn.{rest}",
            ["3", var rest] => $"fc2.{rest}",
            _ => own,
        };
    }

    /// <summary>Modules under given names.</summary>
    private sealed class Named(params (string Name, Module Module)[] modules) : Module
    {
        protected override void ListMembers(Members members)
        {
            foreach (var (name, module) in modules)
                members.Add(name, module);
        }
    }

    /// <summary>Two convolutions of stride 2, each with batch norm and ReLU, then the mean over the map.</summary>
    private sealed partial class Toy(int size, int channels, int width, double eps, double momentum) : Backbone
    {
        private readonly Conv2d conv1 = new(channels, width, 3, 2, 1, bias: false);
        private readonly BatchNorm bn1 = new(width, eps, momentum);
        private readonly Conv2d conv2 = new(width, 2 * width, 3, 2, 1, bias: false);
        private readonly BatchNorm bn2 = new(2 * width, eps, momentum);

        public override (int Height, int Width) ImageSize => (size, size);
        public override int Channels => channels;
        public override int Classes => 0;
        public override int NumFeatures => 2 * width;
        public override IReadOnlyList<string> BlockPaths => ["bn1", "bn2"];
        public override IReadOnlyList<string> ClassifierNames => [];

        protected override Tensor Features(Tensor input) => bn2.Call(conv2.Call(bn1.Call(conv1.Call(input)).Relu())).Relu();

        protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

        protected override Tensor Classify(Tensor pooled) => pooled;

        protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 4)];

        public override void ResetClassifier(int classes) => throw new NotSupportedException();

        public override void Resize(int height, int width) => throw new NotSupportedException();
    }
}
