using Tessera.Models;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Training;
using Tessera.Training.Loop;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

/// <summary>Parameters that learn from given gradients, named and filled as inputs of a file.</summary>
internal sealed class GivenParameters : Module
{
    private readonly (string Name, Parameter Parameter)[] all;

    public GivenParameters(GoldenRun run, IEnumerable<string> names) =>
        all = [.. names.Select(name => (name, new Parameter(run.Input(name).Detach().Clone())))];

    public IReadOnlyList<(string Name, Parameter Parameter)> All => all;

    protected override void ListMembers(Members members)
    {
        foreach (var (name, parameter) in all)
            members.Add(name, parameter);
    }

    public void Gradients(Func<string, Tensor> of)
    {
        foreach (var (name, parameter) in all)
            parameter.Grad = of(name).Detach().Clone();
    }
}

[Case("augmentation.optimizers")]
internal sealed class Optimizers : GoldenCase
{
    // The case's own: the file's configuration is about optimisers alone.
    private const double ClippedNorm = 0.5,
        Decay = 0.9;
    private const int AveragingSteps = 3;

    public override void Run(GoldenRun run)
    {
        foreach (var (name, c) in run.Config.Object("optimizers").Parts)
        {
            var parameters = Parameters(run);
            var optimizer = Create(c, parameters);
            for (var step = 0; step < run.Config.Int("steps"); step++)
            {
                parameters.Gradients(parameter => run.Input($"grad.{step}.{parameter}"));
                optimizer.Step();
                foreach (var (parameter, tensor) in parameters.All)
                    run.Output($"{name}.{parameter}.{step}", tensor.Detach().Clone());
            }
        }
        var clipped = Parameters(run);
        clipped.Gradients(name => run.Input($"grad.0.{name}"));
        run.Output("grad_norm", GradientClipping.ByNorm(clipped.Parameters(), ClippedNorm));
        foreach (var (name, parameter) in clipped.All)
            run.Output($"clipped.{name}", parameter.Grad!);
        var averaged = Parameters(run);
        using var average = new Ema(averaged);
        for (var step = 0; step < AveragingSteps; step++)
        {
            using (Torch.NoGrad())
                foreach (var (name, parameter) in averaged.All)
                    parameter.Copy_(run.Input($"grad.{step}.{name}"));
            average.Update(Decay);
        }
        foreach (var (name, value) in average.StateDict())
            run.Output($"ema.{name}", value.Clone());
    }

    private static GivenParameters Parameters(GoldenRun run)
    {
        var shapes = run.Config.Object("shapes");
        foreach (var name in shapes.Keys)
            shapes.Expect(name, run.Input(name).Shape.ToArray());
        return new(run, shapes.Keys);
    }

    private static Optimizer Create(Config c, Module module)
    {
        var groups = ParameterGroup.All(module, c.Double("weight_decay", 0));
        var lr = c.Double("lr");
        double[] betas = c.Has("betas") ? c.Doubles("betas") : [];
        c.Remark("note");
        return c.String("kind") switch
        {
            "sgd" => new Sgd(groups, lr, c.Double("momentum"), c.Bool("nesterov")),
            "adam" => new Adam(groups, lr, betas[0], betas[1], c.Double("eps")),
            "adamw" => new AdamW(groups, lr, betas[0], betas[1], c.Double("eps")),
            "lamb" => new Lamb(groups, lr, betas[0], betas[1], c.Double("eps"), c.Has("max_grad_norm") ? c.Double("max_grad_norm") : null),
            "lars" => new Lars(groups, lr, c.Double("momentum"), c.Double("trust_coeff"), eps: c.Double("eps")),
            "lars_moco" => new Lars(groups, lr, c.Double("momentum"), c.Double("trust_coeff"), LarsForm.Moco),
            "rmsprop" => new Rmsprop(groups, lr, c.Double("alpha"), c.Double("eps"), c.Double("momentum")),
            var other => throw new NotSupportedException($"an optimiser '{other}'"),
        };
    }
}

[Case("simclr.lars")]
internal sealed class SimclrLars : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        // Vectors are neither decayed nor scaled, and tensors of more dimensions are: the file says which of both holds.
        var shape = run.Input("param").Shape;
        Tensor Shaped(string name) => run.Input(name).Detach().Clone().Reshape(c.Bool("excluded") ? [-1] : [shape[0], -1]);
        var parameter = new Parameter(Shaped("param"));
        var form = c.String("kind") switch
        {
            "simclr" => LarsForm.Simclr,
            "simclr_popular" => LarsForm.Popular,
            "byol" => LarsForm.Moco,
            var other => throw new NotSupportedException($"LARS of kind {other}"),
        };
        var optimizer = new Lars(
            [new([("p", parameter)], c.Double("weight_decay"))],
            c.Double("learning_rate"),
            c.Double("momentum"),
            c.Double("eta"),
            form
        );
        for (var step = 1; step <= c.Int("steps"); step++)
        {
            parameter.Grad = Shaped($"grad_{step}");
            optimizer.Step();
            run.Output($"param_{step}", parameter.Detach().Clone().Reshape(shape));
            run.Output($"momentum_{step}", optimizer.StateDict()["p/momentum"].Clone().Reshape(shape));
        }
    }
}

[Case("augmentation.schedules")]
internal sealed class Schedules : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        foreach (var (name, c) in run.Config.Object("cases").Parts)
        {
            var points = c.Doubles("points");
            var (schedule, top, stepsPerUnit, stepsPerEpoch) = Create(c, points);
            run.Output(name, points.Select(at => schedule.LearningRate(top, (long)Math.Round(at * stepsPerUnit), stepsPerEpoch)));
        }
    }

    /// <summary>The smallest number of steps in a unit of time of which all points are whole numbers.</summary>
    public static int StepsPerUnit(IEnumerable<double> points) =>
        Enumerable
            .Range(1, 100_000)
            .First(steps => points.All(point => Math.Abs(point * steps - Math.Round(point * steps)) <= 1e-9 * Math.Max(1, point * steps)));

    // Points count epochs or steps: how many steps a point stands for.
    private static (ScheduleOptions Schedule, double Top, int StepsPerUnit, int StepsPerEpoch) Create(Config c, double[] points)
    {
        var finest = StepsPerUnit(points);
        var top = c.Double(c.Has("lr") ? "lr" : "base");
        return c.String("kind") switch
        {
            "timm_cosine" => (
                new CosineOptions(
                    c.Int("t_initial"),
                    c.Double("warmup_t"),
                    c.Double("warmup_lr_init"),
                    c.Double("lr_min"),
                    c.Bool("warmup_prefix") ? CosineForm.TimmPrefix : CosineForm.Timm,
                    Cycles: c.Int("cycle_limit"),
                    CycleGrowth: c.Double("cycle_mul"),
                    CycleDecay: c.Double("cycle_decay")
                ),
                top,
                1,
                1
            ),
            "timm_step" => (
                new StepOptions(
                    (int)points.Max() + 1,
                    c.Int("decay_t"),
                    Rate: c.Double("decay_rate"),
                    Warmup: c.Double("warmup_t"),
                    WarmupLearningRate: c.Double("warmup_lr_init"),
                    Prefix: true
                ),
                top,
                1,
                1
            ),
            "mae" => (
                new CosineOptions(c.Int("epochs"), c.Double("warmup_epochs"), MinLearningRate: c.Double("min_lr"), Form: CosineForm.Mae),
                top,
                finest,
                finest
            ),
            "dino" => (
                new CosineOptions(c.Int("epochs"), c.Double("warmup_epochs"), c.Double("start"), c.Double("final"), CosineForm.Dino),
                top,
                1,
                c.Int("steps_per_epoch")
            ),
            "mmcv_step" => (
                new StepOptions(
                    c.Ints("step").Append((int)points.Max() / c.Int("steps_per_epoch")).Max() + 1,
                    At: c.Ints("step"),
                    Rate: c.Double("gamma"),
                    Warmup: c.Double("warmup_iters") / c.Int("steps_per_epoch"),
                    WarmupLearningRate: c.Double("warmup_ratio") * top,
                    Per: ScheduleInterval.Step
                ),
                top,
                1,
                c.Int("steps_per_epoch")
            ),
            "mmcv_poly" => (
                new PolynomialOptions(
                    c.Int("max_iters"),
                    c.Double("power"),
                    c.Double("min_lr"),
                    c.Double("warmup_iters"),
                    c.Double("warmup_ratio") * top
                ),
                top,
                1,
                1
            ),
            var other => throw new NotSupportedException($"a schedule '{other}'"),
        };
    }
}

[Case("augmentation.layer-decay")]
internal sealed class LayerDecays : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("num_layers_plus_two", c.Int("depth") + 2);
        // Any sizes will do: what is asked for depends on names and depth.
        var model = new Vit(new((32, 32), 16, 12, c.Int("depth"), 2, 5));
        var objective = new Supervised(model);
        var names = c.Strings("names");
        var layers = LayerDecay.Layers(model);
        var groups = new AdamWOptions(WeightDecay: c.Double("weight_decay"), LayerDecay: c.Double("layer_decay"))
            .Create(objective, objective.Phases[0])
            .Groups.SelectMany(group => group.Parameters.Select(p => (p.Name, Group: group)))
            .ToDictionary(p => p.Name, p => p.Group);
        run.Output("layer_id", names.Select(name => (double)layers[name]));
        run.Output("scale", names.Select(name => groups[name].Scale));
        run.Output("weight_decay", names.Select(name => groups[name].WeightDecay));
        // The names say what is asked for.
        foreach (var name in run.File.Outputs.Keys)
            if (name.Split(' ') is ["drop_path", var last, "depth", var depth])
                run.Output(name, DropPath.Rates(double.Parse(last), int.Parse(depth)));
            else if (name.Split(' ') is ["drop_path_applied", var rate, "mask", var mask])
                run.Output(name, Dropped(run.Input("x"), double.Parse(rate), [.. mask.Select(bit => bit - '0')]));
    }

    // The layer draws for itself: from the seeds of a generator, the first that draws what the file prescribes.
    private static Tensor Dropped(Tensor input, double p, int[] mask)
    {
        var layer = new DropPath(p);
        layer.Train();
        var ones = Torch.Ones([mask.Length, 1], input.DType, device: input.Device);
        for (var seed = 0UL; ; seed++)
        {
            Torch.Seed(seed);
            if (!layer.Call(ones).ToArray<double>().Select(v => v > 0 ? 1 : 0).SequenceEqual(mask))
                continue;
            Torch.Seed(seed);
            return layer.Call(input);
        }
    }
}

[Case("augmentation.classification-losses")]
internal sealed class LossesOfLogits : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (classes, smoothing) = (run.Config.Int("num_classes"), run.Config.Double("smoothing"));
        var (logits, labels) = (run.Input("logits"), run.Input("labels"));
        var soft = run.Input("target_logits").Detach().Softmax(-1);
        var smoothed = ClassificationLosses.SmoothLabels(labels, classes, smoothing, run.Real);
        Put("label_smoothing", ClassificationLosses.CrossEntropy(logits, labels, smoothing));
        Put("pytorch_ls", ClassificationLosses.SoftCrossEntropy(logits, smoothed));
        Put("soft", ClassificationLosses.SoftCrossEntropy(logits, soft));
        Put("bce", ClassificationLosses.BinaryCrossEntropy(logits, smoothed));
        Put("bce_sum", ClassificationLosses.BinaryCrossEntropy(logits, smoothed, sumClasses: true));
        Put("bce_thresh", ClassificationLosses.BinaryCrossEntropy(logits, soft, threshold: 0.2));

        void Put(string name, Tensor loss)
        {
            run.Output(name, loss);
            if (run.File.Gradients.ContainsKey(name))
                run.Differentiate(loss, [(name, "logits")]);
        }
    }
}
