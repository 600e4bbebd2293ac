using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Loop;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Runs;

namespace Tessera.Training.Tests;

/// <summary>What methods of pre-training measure.</summary>
[Collection("engine")]
public sealed class PretextTests : IDisposable
{
    private const int Side = 16,
        Samples = 12;

    private static readonly string[] classes = ["a", "b", "c"];
    private readonly Scope scope = new();
    private readonly TempFolder folder = new();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static Vit Network(int dim = 24) => new(new((Side, Side), 4, dim, 3, 3, classes.Length, DropPath: 0.1));

    private static MaskedAutoencoder Autoencoder(bool standardise = true) =>
        new(new(NormalizePixels: standardise, Dim: 16, Depth: 1, Heads: 2), Network());

    private static RelationDistillation Distillation(DistillationTarget target = DistillationTarget.Relations, double mask = 0) =>
        new(
            new(new(Model: "vit_tiny_patch16_224"), Target: target, MaskRatio: mask),
            Network(),
            Network(48),
            normalization: new([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f])
        );

    private static Batch All()
    {
        var random = new Random(5);
        var pixels = Enumerable.Range(0, Samples * 3 * Side * Side).Select(_ => (float)(2 * random.NextDouble() - 1)).ToArray();
        return new(
            Tensor.From(pixels, Samples, 3, Side, Side),
            new ClassTargets(Tensor.From([.. Enumerable.Range(0, Samples).Select(i => (long)(i % classes.Length))])),
            [.. Enumerable.Range(0, Samples)]
        );
    }

    private sealed class Fixed(int size) : BatchSource
    {
        public override int StepsPerEpoch => Samples / size;

        public override IEnumerable<Batch> Epoch(int epoch, int skipBatches = 0, CancellationToken stop = default) =>
            Enumerable.Range(skipBatches, StepsPerEpoch - skipBatches).Select(step => All().Slice(step * size, size));
    }

    private static FeatureMetrics Measure(Objective method, int size = 4, ulong seed = 3, bool bank = true) =>
        (FeatureMetrics)
            Measurement.Run(
                method.Model,
                new Fixed(size).Epoch(0),
                method.CreateEvaluator(new(classes, seed) { Bank = bank ? _ => new Fixed(size) : null })!
            );

    public static TheoryData<string> Methods => ["mae", "pixels", "relations", "features", "class_token", "masked"];

    private static BackboneObjective Create(string method)
    {
        Torch.Seed(11);
        return method switch
        {
            "mae" => Autoencoder(),
            "pixels" => Autoencoder(standardise: false),
            "relations" => Distillation(),
            "features" => Distillation(DistillationTarget.Features),
            "class_token" => Distillation(DistillationTarget.ClassToken),
            _ => Distillation(mask: 0.5),
        };
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_measurement_repeats_itself_whatever_the_batches_and_leaves_the_random_state_alone(string name)
    {
        var method = Create(name);
        var before = Generator.Default(Device.Cpu).GetState().ToArray<byte>();
        var first = Measure(method);
        Assert.Equal(before, Generator.Default(Device.Cpu).GetState().ToArray<byte>());
        Assert.True(method.Model.Training);
        Assert.Equal(first.Scalars, Measure(method).Scalars);
        foreach (var size in new[] { 1, 12 })
        foreach (var (figure, value) in Measure(method, size).Scalars)
            Assert.Equal(first.Scalars[figure], value, 1e-5);
        Assert.Equal(Samples, first.Count);
        // Which patches are hidden, and how colours change, depends on the seed.
        Assert.NotEqual(first.Score.Value, Measure(method, seed: 4).Score.Value);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void The_primary_score_is_the_methods_own_loss_and_lower_is_better(string name)
    {
        var metrics = Measure(Create(name));
        var primary = name switch
        {
            "mae" or "pixels" => "reconstruction",
            "features" => "feature_loss",
            "class_token" => "class_token_loss",
            _ => "relation_loss",
        };
        Assert.Equal((primary, false, MetricFormat.Number), (metrics.Primary, metrics.HigherIsBetter, metrics.PrimaryFormat));
        Assert.True(metrics.Score.Value > 0);
        Assert.DoesNotContain("top1", metrics.Scalars.Keys);
        if (primary == "relation_loss")
            Assert.Equal(metrics.Losses["relation_loss"], metrics.Losses["qk"] + metrics.Losses["vv"], 1e-6);
        Assert.All(metrics.Curves, curve => Assert.Contains(curve.Field, metrics.Scalars.Keys));
    }

    [Fact]
    public void Reconstruction_is_the_loss_of_training_with_the_noise_of_the_measurement()
    {
        var method = Create("mae");
        method.Model.Eval();
        using var outside = Torch.NoGrad();
        var noise = MeasurementDraws.PatchNoise([.. Enumerable.Range(0, Samples)], 16, 3, Device.Cpu);
        var loss = ((MaskedAutoencoder)method).Reconstruct((Vit)method.Model, All().Inputs, noise).Loss.ToDouble();
        Assert.Equal(loss, Measure(method).Losses["reconstruction"], 1e-6);
    }

    [Theory]
    [InlineData(DistillationTarget.Relations)]
    [InlineData(DistillationTarget.Features)]
    [InlineData(DistillationTarget.ClassToken)]
    public void Distillation_without_draws_measures_the_loss_of_training(DistillationTarget target)
    {
        Torch.Seed(12);
        var method = new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), Target: target, Jitter: 0), Network(), Network(48));
        method.Model.Eval();
        using var outside = Torch.NoGrad();
        var loss = method.Compute(All(), new(0, 1, 0, 1)).Total.ToDouble();
        Assert.Equal(loss, Measure(method).Score.Value, 1e-6);
    }

    [Fact]
    public void The_loss_of_relations_is_the_mean_of_its_samples()
    {
        Torch.Seed(13);
        var (student, teacher) = (Torch.Randn([3, 2, 5, 5]).LogSoftmax(-1), Torch.Randn([3, 2, 5, 5]).LogSoftmax(-1));
        var each = TokenRelations.LossPerSample(student, teacher);
        Assert.Equal(new Shape(3), each.Shape);
        Assert.Equal(TokenRelations.Loss(student, teacher).ToDouble(), each.Mean().ToDouble(), 1e-6);
    }

    [Fact]
    public void Without_classes_there_is_no_knn_figure()
    {
        var metrics = Measure(Create("mae"), bank: false);
        Assert.Null(metrics.KnnTop1);
        Assert.DoesNotContain("knn_top1", metrics.Scalars.Keys);
        string[] names = ["reconstruction", "effective_rank"];
        Assert.Equal(names, metrics.Scalars.Keys);
        Assert.Equal(["reconstruction", "rank"], metrics.Rows.Select(row => row.Name));
        Assert.Equal(metrics.Rows, metrics.Headline);
        Assert.Equal(names, metrics.Curves.Select(curve => curve.Field));
    }

    [Fact]
    public void Draws_of_a_sample_do_not_depend_on_its_neighbours()
    {
        var all = MeasurementDraws.PatchNoise([3, 8, 5], 49, 1, Device.Cpu);
        var alone = MeasurementDraws.PatchNoise([8], 49, 1, Device.Cpu);
        Assert.Equal(alone[0].ToArray<float>(), all[1].ToArray<float>());
        Assert.Equal(Enumerable.Range(0, 49).Select(i => i / 49f), alone.ToArray<float>().Order());
        Assert.NotEqual(all[0].ToArray<float>(), all[1].ToArray<float>());
        var colours = MeasurementDraws.ColorDraws([3, 8, 5], 1, Device.Cpu);
        Assert.Equal(MeasurementDraws.ColorDraws([8], 1, Device.Cpu).ToArray<float>(), colours.Slice(1, 1, 2).ToArray<float>());
    }

    [Fact]
    public void A_bank_is_spread_evenly_over_the_samples()
    {
        var order = new EvenlySpaced(4).Order(10, 1, 0, Replica.Single);
        Assert.Equal([0, 2, 5, 7], order.Select(draw => draw.Index));
        Assert.Equal(3, new EvenlySpaced(5000).Order(3, 1, 0, Replica.Single).Length);
    }

    private string Recipe()
    {
        SmallMnist.Write(Path.Combine(folder.Path, "data"));
        var path = Path.Combine(folder.Path, "recipe.yaml");
        File.WriteAllText(
            path,
            $$"""
            model: { name: vit_micro_patch4_32 }
            data: { name: fashion_mnist, batch: 16, root: {{Path.Combine(folder.Path, "data")}} }
            augment: [ random_horizontal_flip ]
            objective: { name: masked_autoencoder, dim: 32, depth: 1, heads: 2 }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2 }
            train: { threads: 1, ema: 0.9 }
            """
        );
        return path;
    }

    private string Run(string name) => Path.Combine(folder.Path, name);

    [Fact]
    public void A_pre_training_reports_reconstructions_and_its_bundle_refuses_to_classify()
    {
        using (var experiment = Experiment.Begin(Recipe(), [], Run("a")))
            Assert.Equal("reconstruction", experiment.Train().Last!.Primary);
        var run = new RunFolder(Run("a"));
        var measured = RunLog.Read(run.LogPath).Where(line => (string)line["kind"]! == "evaluation").ToArray();
        Assert.Equal(2, measured.Length);
        Assert.All(measured, line => Assert.InRange((double)line["knn_top1"]!, 0.2, 1));
        Assert.All(measured, line => Assert.False(line.ContainsKey("top1")));
        var page = File.ReadAllText(run.ReportPath);
        Assert.Contains("<h2>Reconstruction</h2>", page, StringComparison.Ordinal);
        Assert.Equal(36, page.Split("data:image/png").Length - 1);

        Assert.Equal("untrained", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(run.BundlePath, "bundle.json")))!["classifier"]);
        var bundle = ModelBundle.Load(Run("a"));
        Assert.All(new BundleFolder(run.BundlePath).Read().Weights, weights =>
            Assert.Equal(("reconstruction", false), (weights.Score!.Name, weights.Score.HigherIsBetter))
        );
        foreach (
            var refused in new Action[]
            {
                () => BundleMeasurement.OfRun(Run("a"), bundle, new()),
                () => bundle.Predict(new GivenSample("x", () => throw new InvalidOperationException("never read"))),
                () => bundle.Explain(new GivenSample("x", () => throw new InvalidOperationException("never read"))),
                () => new TeacherOptions(Run: Run("a")).Create(new(bundle.Model, Device.Cpu)),
            }
        )
        {
            var message = Assert.Throws<RunException>(refused).Message;
            Assert.Contains("linear probe", message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', message);
        }
        new TeacherOptions(Run: Run("a")).Create(new(bundle.Model, Device.Cpu), needsClassifier: false);

        // Its features go on, with a classifier that learns.
        string[] probe = ["objective=linear_probe", $"model.weights={Run("a")}", "train.ema=null", "schedule.epochs=1"];
        using (var experiment = Experiment.Begin(Recipe(), probe, Run("probe")))
            Assert.Equal("top1", experiment.Train().Last!.Primary);
        ModelBundle.Load(Run("probe")).RequireClassifier();
    }

    [Fact]
    public void Measuring_more_often_changes_no_weight()
    {
        string Weights(string name, params string[] settings)
        {
            using (var experiment = Experiment.Begin(Recipe(), settings, Run(name)))
                experiment.Train();
            var weights = new BundleFolder(new RunFolder(Run(name)).BundlePath).Read().Weights;
            return string.Join(' ', weights.Where(entry => entry.Role == "last").Select(entry => entry.Sha256));
        }

        Assert.Equal(Weights("often"), Weights("once", "evaluation.every=0"));
    }
}
