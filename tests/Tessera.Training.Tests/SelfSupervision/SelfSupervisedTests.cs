using Tessera.Testing;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>What all methods without labels have: a probe without influence, figures of the embeddings, warnings, pictures.</summary>
[Collection("engine")]
public sealed class SelfSupervisedTests : IDisposable
{
    private readonly Scope scope = new();
    private readonly TempFolder folder = new();

    static SelfSupervisedTests() => RecipeParts.Register<PullingOptions>();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static readonly ClassLabels labels = new(["a", "b", "c"], [0, 1, 2]);

    private static ObjectiveContext Context(TinyModel model) => new(model, Device.Cpu) { Labels = labels };

    private static (Dictionary<string, byte[]> Model, Dictionary<string, byte[]> Optimizer) Train(OptimizerOptions how, bool online)
    {
        using var own = new Scope();
        Torch.Seed(3);
        var model = new TinyModel();
        var method = new PullingOptions(Online: online).Create(Context(model));
        method.Train();
        var options = new TrainOptions(ClipGrad: 0.1);
        var phases = Phases.Of(method, how, options);
        using var trainer = new Trainer(
            new()
            {
                Objective = method,
                Phases = phases,
                Schedule = new CosineOptions(3, 0.5),
                Data = Tiny.Source(),
                Options = options,
            }
        );
        trainer.Train();
        return (Bytes(model.StateDict()), Bytes(phases[0].Optimizer.StateDict()));
    }

    private static Dictionary<string, byte[]> Bytes(IReadOnlyDictionary<string, Tensor> state) =>
        state.ToDictionary(entry => entry.Key, entry => entry.Value.ToBytes());

    public static TheoryData<string> Optimizers => ["adamw", "sgd", "lars", "lamb"];

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void The_online_probe_changes_no_bit_of_the_student_and_of_its_optimizer(string name)
    {
        OptimizerOptions how = name switch
        {
            "adamw" => new AdamWOptions(1e-2),
            "sgd" => new SgdOptions(0.1),
            "lars" => new LarsOptions(0.5),
            _ => new LambOptions(1e-2),
        };
        var (with, without) = (Train(how, online: true), Train(how, online: false));
        Assert.Equal(without.Model, with.Model);
        Assert.Equal(without.Optimizer, with.Optimizer);
    }

    private static Batch Batch(long[] classes) =>
        Batches.Labelled(Torch.Zeros([classes.Length, 1]), Tensor.From(classes), [.. Enumerable.Range(0, classes.Length)]);

    [Fact]
    public void The_online_probe_learns_features_that_tell_the_classes_and_nothing_from_a_placeholder()
    {
        var probe = new OnlineProbe(3, 3);
        long[] classes = [0, 1, 2, 0, 1, 2];
        var features = Tensor.From(classes).OneHot(3).To(DType.Float32);
        var before = Bytes(probe.StateDict());
        var idle = probe.Learn(features, Batch(classes) with { IsPlaceholder = true });
        Assert.Equal(default, idle.Score);
        Assert.Equal(before["map"], probe.StateDict()["map"].ToBytes());
        Assert.Equal(Math.Log(3), probe.Learn(features, Batch(classes)).Loss.ToDouble(), 1e-6);
        for (var step = 0; step < 50; step++)
            probe.Learn(features, Batch(classes));
        var (loss, score) = probe.Learn(features, Batch(classes));
        Assert.Equal(new Score(6, 6), score);
        Assert.True(loss.ToDouble() < Math.Log(3));
        Assert.Equal(classes, probe.Logits(features).Argmax(1).ToArray<long>());
        Assert.Empty(probe.NamedParameters());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void The_online_probe_of_several_processes_learns_from_all_their_samples(int size)
    {
        Torch.Seed(8);
        var features = Torch.Randn([5, 4]);
        long[] classes = [0, 1, 2, 1, 0];
        var alone = new OnlineProbe(4, 3);
        for (var step = 0; step < 5; step++)
            alone.Learn(features, Batch(classes));
        var (values, expected) = (features.ToArray<float>(), alone.StateDict()["map"].ToArray<float>());
        foreach (var found in Ranks.Run(size, group =>
            {
                using var own = new Scope();
                // The last of three gets none, and stands by with the first sample.
                var (from, to) = group.Rank switch
                {
                    0 => (0, 2),
                    1 => (2, 5),
                    _ => (0, 1),
                };
                var batch = Batch(classes[from..to]) with { IsPlaceholder = group.Rank == 2 };
                var probe = new OnlineProbe(4, 3);
                for (var step = 0; step < 5; step++)
                    probe.Learn(Tensor.From(values[(4 * from)..(4 * to)], to - from, 4), batch, group);
                return probe.StateDict()["map"].ToArray<float>();
            }))
            Assert.Equal(expected, found, (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void The_steps_of_the_online_probe_are_those_of_Adam_on_the_cross_entropy()
    {
        Torch.Seed(7);
        var features = Torch.Randn([12, 5]);
        // Not as many of every class: Adam makes whole steps of gradients that are nothing but rounding.
        long[] classes = [.. Enumerable.Range(0, 12).Select(i => (long)(i * i % 4))];
        var probe = new OnlineProbe(5, 4);
        var linear = new Nn.Linear(5, 4);
        Nn.Init.Zeros(linear.Weight);
        Nn.Init.Zeros(linear.Bias!);
        var adam = new Optim.Adam([new([.. linear.NamedParameters()])], 1e-3);
        for (var step = 0; step < 20; step++)
        {
            probe.Learn(features, Batch(classes));
            adam.ZeroGrad();
            linear.Call(features).CrossEntropyLoss(Tensor.From(classes)).Backward();
            adam.Step();
        }
        Assert.Equal(linear.Call(features).ToArray<float>(), probe.Logits(features).ToArray<float>(), (a, b) => Math.Abs(a - b) < 1e-5);
    }

    [Fact]
    public void Figures_of_embeddings_are_those_of_the_paper()
    {
        Torch.Seed(9);
        var watch = new CollapseWatch();
        var (one, two) = (Torch.Randn([600, 32]), Torch.Randn([600, 32]));
        var found = watch.Measure([one, two], 0).ToDictionary(figure => figure.Name, figure => figure.Value.ToDouble());
        var rows = one.Slice(0, 0, 512).ToArray<float>().Chunk(32).Select(row => row.Select(v => v / Length(row)).ToArray()).ToArray();
        var pairs = Enumerable
            .Range(0, 512)
            .SelectMany(i => Enumerable.Range(0, 512).Where(j => j != i).Select(j => Math.Exp(-2 * Distance(rows[i], rows[j]))));
        Assert.Equal(Math.Log(pairs.Average()), found["uniformity"], 1e-4);
        // Independent directions: |a - b|^2 = 2 on average, and each dimension deviates by 1/sqrt(D).
        Assert.Equal(2, found["alignment"], 0.1);
        Assert.Equal(1, found["deviation"], 0.05);
        var same = watch.Measure([one, one], 1).ToDictionary(figure => figure.Name, figure => figure.Value.ToDouble());
        Assert.Equal(0, same["alignment"]);
        // Every process must reduce the same names, however few samples fall to it.
        Assert.Equal(found.Keys, watch.Measure([one.Slice(0, 0, 1), two.Slice(0, 0, 1)], 2).Select(figure => figure.Name));

        static double Length(float[] row) => Math.Sqrt(row.Sum(v => (double)v * v));
        static double Distance(double[] a, double[] b) => a.Zip(b, (x, y) => (x - y) * (x - y)).Sum();
    }

    [Fact]
    public void Uniformity_is_exact_where_all_rows_are_the_same()
    {
        var rows = Torch.Ones([4, 4]) * 0.5;
        Assert.Equal(0, CollapseWatch.Uniformity(rows).ToDouble(), 1e-6);
        // Two opposite points: the only distance is 2.
        Assert.Equal(-8, CollapseWatch.Uniformity(Tensor.From<float>([1, 0, -1, 0], 2, 2)).ToDouble(), 1e-5);
    }

    private Trainer Collapsing(string name, List<TrainingEvent> events)
    {
        Torch.Seed(3);
        var model = new TinyModel();
        var method = new PullingOptions(Collapse: true).Create(Context(model));
        method.Train();
        return new(
            new()
            {
                Objective = method,
                Phases = Phases.Of(method, new AdamWOptions(0.05)),
                Schedule = new CosineOptions(60),
                Data = Tiny.Source(),
                Options = new(LogEvery: 10),
            },
            new RunFolder(folder[name]),
            events.Add
        );
    }

    [Fact]
    public void A_run_that_collapses_says_so_once_and_at_the_same_step_when_it_was_resumed()
    {
        List<TrainingEvent> whole = [],
            halves = [];
        using (var trainer = Collapsing("whole", whole))
            trainer.Train();
        var warning = Assert.Single(whole.OfType<MethodRemark>());
        Assert.Contains("the embeddings collapse", warning.Remark, StringComparison.Ordinal);
        Assert.Contains("below 0.1/sqrt(D) for 100 steps", warning.Remark, StringComparison.Ordinal);
        Assert.InRange(warning.Step, 100, 299);
        var logged = RunLog.Read(new RunFolder(folder["whole"]).LogPath).Where(line => (string?)line["kind"] == "remark");
        Assert.Equal(warning.Remark, (string)Assert.Single(logged)["remark"]!);
        var last = RunLog.Read(new RunFolder(folder["whole"]).LogPath).Last(line => (string?)line["kind"] == "step");
        Assert.InRange((double)last["deviation"]!, 0, 0.1);

        using (var trainer = Collapsing("halves", halves))
            trainer.Train(until: warning.Step - 20);
        Assert.Empty(halves.OfType<MethodRemark>());
        using (var trainer = Collapsing("halves", halves))
        {
            Assert.True(trainer.Resume());
            trainer.Train();
        }
        Assert.Equal(warning, Assert.Single(halves.OfType<MethodRemark>()));
    }

    private string Recipe()
    {
        SmallMnist.Write(folder["data"]);
        return folder.Write(
            "recipe.yaml",
            $$"""
            model: { name: vit_micro_patch4_32 }
            data: { name: fashion_mnist, batch: 16, root: {{folder["data"]}} }
            augment: [ random_horizontal_flip ]
            objective: { name: pulling }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2 }
            train: { threads: 1, log_every: 2 }
            """
        );
    }

    private static string[] Log(string run) =>
        [
            .. RunLog
                .Read(new RunFolder(run).LogPath)
                .Select(line =>
                {
                    foreach (var field in (string[])["seconds", "images_per_second", "waited", "gflops", "peak_share"])
                        line.Remove(field);
                    return line.ToJsonString();
                }),
        ];

    private static Dictionary<string, string> Weights(string run) =>
        Directory
            .EnumerateFiles(new RunFolder(run).Checkpoints.All[0], "*.safetensors")
            .ToDictionary(file => Path.GetFileName(file)!, file => Convert.ToHexString(File.ReadAllBytes(file)));

    [Fact]
    public void A_run_by_recipe_has_all_figures_in_its_log_its_report_and_its_events_and_resumes_bit_equal()
    {
        List<TrainingEvent> events = [];
        var recipe = Recipe();
        using (var experiment = Experiment.Begin(recipe, [], folder["whole"], events.Add))
        {
            var metrics = Assert.IsType<FeatureMetrics>(experiment.Train().Last);
            Assert.Equal(["knn_top1", "probe_top1", "effective_rank"], metrics.Scalars.Keys);
            Assert.Equal(("knn_top1", true), (metrics.Primary, metrics.HigherIsBetter));
        }
        var log = RunLog.Read(new RunFolder(folder["whole"]).LogPath);
        Assert.All(log.Where(line => (string?)line["kind"] == "step"), line =>
            Assert.All(["deviation", "alignment", "uniformity", "probe_loss", "probe_top1", "spread"], name => Assert.NotNull(line[name]))
        );
        Assert.All(log.Where(line => (string?)line["kind"] == "evaluation"), line =>
            Assert.InRange((double)line["effective_rank"]!, 1, 192)
        );
        Assert.All(events.OfType<StepDone>(), step =>
            Assert.Equal(["deviation", "alignment", "uniformity"], step.Watched.Select(figure => figure.Name))
        );
        var page = File.ReadAllText(new RunFolder(folder["whole"]).ReportPath);
        foreach (var title in (string[])["kNN top-1", "Probe top-1", "Effective rank", "Alignment", "Uniformity", "Deviation of the"])
            Assert.Contains($"<figcaption>{title}", page, StringComparison.Ordinal);
        Assert.Contains("<h2>Nearest neighbours</h2>", page, StringComparison.Ordinal);
        Assert.Equal(8 * 7, page.Split("data:image/png").Length - 1);

        var bundle = ModelBundle.Load(folder["whole"]);
        Assert.Throws<RunException>(bundle.RequireClassifier);

        using (var stop = new CancellationTokenSource())
        using (var experiment = Experiment.Begin(recipe, [], folder["halves"], happened =>
            {
                if (happened is StepDone { Step: 4 })
                    stop.Cancel();
            }))
            Assert.False(experiment.Train(stop.Token).Completed);
        using (var experiment = Experiment.Resume(folder["halves"]))
            experiment.Train();
        Assert.Equal(Weights(folder["whole"]), Weights(folder["halves"]));
        Assert.Equal(Log(folder["whole"]), Log(folder["halves"]));
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(0, false)]
    public void The_bank_of_features_is_bounded_by_the_recipe(int most, bool neighbors)
    {
        using var experiment = Experiment.Begin(Recipe(), [$"evaluation.bank={most}", "evaluation.every=0"], folder["run"]);
        var metrics = (FeatureMetrics)experiment.Train().Last!;
        Assert.Equal(neighbors, metrics.KnnTop1 is not null);
        Assert.Equal(neighbors ? "knn_top1" : "probe_top1", metrics.Primary);
        Assert.Equal(most, experiment.Recipe.Evaluation.Bank);
    }
}
