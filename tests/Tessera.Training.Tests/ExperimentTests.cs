using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Whole runs by recipe, on a small data set in the format of MNIST.</summary>
[Collection("engine")]
public sealed class ExperimentTests : IDisposable
{
    private readonly TempFolder folder = new();

    public ExperimentTests()
    {
        SmallMnist.Write(Data);
        File.WriteAllText(RecipePath, SmallMnist.Recipe(Data));
    }

    public void Dispose() => folder.Dispose();

    private string Data => Path.Combine(folder.Path, "data");

    private string RecipePath => Path.Combine(folder.Path, "recipe.yaml");

    private string Run(string name) => Path.Combine(folder.Path, name);

    private ClassificationMetrics Measured(string run, ModelBundle bundle) =>
        (ClassificationMetrics)BundleMeasurement.OfRun(Run(run), bundle, new()).Run();

    private static double Loss(Metrics metrics) => ((ClassificationMetrics)metrics).Loss;

    [Fact]
    public void A_run_leaves_everything_in_its_folder_and_can_be_measured_again()
    {
        TrainingResult result;
        using (var experiment = Experiment.Begin(RecipePath, ["train.seed=3"], Run("a")))
            result = experiment.Train();
        Assert.True(result.Completed);
        var run = new RunFolder(Run("a"));
        Assert.Equal(3UL, Recipe.Load(run.RecipePath).Train.Seed);
        Assert.Contains("--set train.seed=3", File.ReadAllText(run.RecipePath), StringComparison.Ordinal);
        Assert.Equal(
            ["evaluation", "evaluation"],
            RunLog.Read(run.LogPath).Select(line => (string)line["kind"]!).Where(kind => kind == "evaluation")
        );
        var results = JsonNode.Parse(File.ReadAllText(run.ResultsPath))!;
        Assert.Equal(((ClassificationMetrics)result.Last!).Top1, (double)results["evaluation"]!["top1"]!);

        var trained = ModelBundle.Load(Run("a"));
        Assert.False(trained.Model.Training);
        Assert.Equal(1, ((ImageFacts)trained.Facts).Channels);
        var again = Measured("a", trained);
        Assert.Equal(Loss(result.Last), again.Loss, 1e-9);
        Assert.Equal(Loss(result.LastEma!), Measured("a", ModelBundle.Load(Run("a"), ema: true)).Loss, 1e-9);
    }

    // Batch norms of little variance make much of rounding in float32.
    [Theory]
    [InlineData(DType.Float64, 1e-6)]
    [InlineData(DType.Float32, 1e-4)]
    public void Maps_whose_channels_lie_together_have_the_same_loss_and_gradients(DType type, double tolerance)
    {
        string[] settings = ["model.name=resnet20_cifar", "optimizer={ name: sgd, lr: 0.01 }", "schedule.epochs=1", "train.ema=null"];
        using var plain = Experiment.Begin(RecipePath, settings, Run("plain"));
        using var last = Experiment.Begin(RecipePath, [.. settings, "train.channels_last=true"], Run("last"));
        Assert.True(Recipe.Load(new RunFolder(Run("last")).RecipePath).Train.ChannelsLast);
        foreach (var experiment in new[] { plain, last })
            experiment.Model.To(dtype: type);
        var kernels = last.Model.Parameters().Where(p => p.Dim == 4 && p.Size(1) > 1 && p.Size(2) > 1).ToArray();
        Assert.NotEmpty(kernels);
        Assert.All(kernels, kernel => Assert.Equal(1, kernel.Strides[1]));
        using var scope = new Scope();
        var images = Torch.Randn([4, 1, 28, 28], type);
        var losses = new[] { (plain.Model, images), (last.Model, images.Contiguous(MemoryFormat.ChannelsLast)) }
            .Select(pair =>
            {
                pair.Model.Train();
                var loss = ClassificationLosses.CrossEntropy(pair.Model.Call(pair.Item2), Tensor.From([0L, 1, 2, 3]));
                loss.Backward();
                return loss.ToDouble();
            })
            .ToArray();
        Assert.Equal(losses[0], losses[1], 1e-5);
        foreach (var ((name, expected), (_, actual)) in plain.Model.NamedParameters().Zip(last.Model.NamedParameters()))
        {
            var (a, b) = (expected.Grad!.ToArray<double>(), actual.Grad!.ToArray<double>());
            Assert.True(
                a.Zip(b).Max(pair => Math.Abs(pair.First - pair.Second)) < tolerance * a.Max(Math.Abs),
                $"{name}: {a.Zip(b).Max(pair => Math.Abs(pair.First - pair.Second))} of {a.Max(Math.Abs)}"
            );
        }
    }

    [Fact]
    public void An_interrupted_run_goes_on_to_the_same_weights()
    {
        using (var whole = Experiment.Begin(RecipePath, [], Run("whole")))
            whole.Train();
        using (var stop = new CancellationTokenSource())
        using (var first = Experiment.Begin(RecipePath, [], Run("parts"), e =>
            {
                if (e is StepDone { Step: 4 })
                    stop.Cancel();
            }))
            Assert.False(first.Train(stop.Token).Completed);
        using (var rest = Experiment.Resume(Run("parts")))
            Assert.True(rest.Train().Completed);
        foreach (var file in (string[])["model", "optimizer", "ema", "random"])
            Assert.Equal(Bytes("whole", file), Bytes("parts", file));

        byte[] Bytes(string name, string file) => File.ReadAllBytes(new RunFolder(Run(name)).Checkpoints.Newest()!.FileOf(file));
    }

    [Fact]
    public void Tuning_holds_out_a_part_of_the_training_set_that_can_be_read_back()
    {
        string[] settings = ["data.split=minitrain", "evaluation.split=minival", "data.minival=0.2", "schedule.epochs=1"];
        string[] seen;
        using (var experiment = Experiment.Begin(RecipePath, settings, Run("tuning")))
        {
            Assert.Equal((76, 20), (experiment.TrainData.Count, experiment.TestData.Count));
            Assert.Equal(("minitrain", "minival"), (experiment.TrainData.Split, experiment.TestData.Split));
            seen = Names(experiment.TrainData);
            Assert.Equal(Enumerable.Range(0, 96).Select(i => $"{i}").Order(), seen.Concat(Names(experiment.TestData)).Order());
            Assert.Equal(
                2,
                Assert.Single(ClassLabels.Of(experiment.TestData).Labels.CountBy(label => label).Select(c => c.Value).Distinct())
            );
            experiment.Train();
        }
        var run = new RunFolder(Run("tuning"));
        Assert.Equal(seen, File.ReadAllLines(run.SamplesPath)[1..]);
        Assert.Equal(20, Measured("tuning", ModelBundle.Load(Run("tuning"))).Count);
        // Another seed of the training sees the same samples, another seed of the subset others.
        using (var again = Experiment.Begin(RecipePath, [.. settings, "train.seed=8"], Run("again")))
            Assert.Equal(seen, Names(again.TrainData));
        using (var other = Experiment.Begin(RecipePath, [.. settings, "data.subset_seed=8"], Run("other")))
            Assert.NotEqual(seen, Names(other.TrainData));
        using (var listed = Experiment.Begin(RecipePath, [$"data.list={run.SamplesPath}"], Run("listed")))
            Assert.Equal(seen, Names(listed.TrainData));
        Assert.False(File.Exists(new RunFolder(Run("listed")).SamplesPath));

        static string[] Names(Dataset data) => [.. Enumerable.Range(0, data.Count).Select(data.SampleName)];
    }

    [Theory]
    [InlineData("data.per_class=3", 30)]
    [InlineData("data.fraction=0.5", 50)]
    [InlineData("data.limit=17", 17)]
    public void Small_data_protocols_train_on_a_part_of_every_class(string setting, int count)
    {
        using var experiment = Experiment.Begin(RecipePath, [setting], Run(setting));
        Assert.Equal((count, 40), (experiment.TrainData.Count, experiment.TestData.Count));
        if (!setting.Contains("limit", StringComparison.Ordinal))
            Assert.Single(ClassLabels.Of(experiment.TrainData).Labels.CountBy(label => label).Select(c => c.Value).Distinct());
        Assert.True(File.Exists(experiment.Run.SamplesPath));
    }

    [Fact]
    public void Only_one_of_the_ways_to_choose_samples_is_taken() =>
        Assert.Contains(
            "only one of per_class, fraction and list can be given",
            Assert.Throws<RecipeException>(() => Experiment.Begin(RecipePath, ["data.per_class=3", "data.fraction=0.5"], Run("x"))).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Relative_paths_hold_in_another_folder()
    {
        string[] larger = ["model.image_size=32", "augment=[squash: 32]"];
        using (var teacher = Experiment.Begin(RecipePath, [.. larger, "schedule.epochs=1"], Run("teacher")))
            teacher.Train();
        var before = Environment.CurrentDirectory;
        Directory.CreateDirectory(Run("elsewhere"));
        try
        {
            Environment.CurrentDirectory = folder.Path;
            using var stop = new CancellationTokenSource();
            using (
                var first = Experiment.Begin(
                    RecipePath,
                    [
                        .. larger,
                        "data.root=data",
                        "model.name=deit_tiny_distilled_patch16_224",
                        "objective={ name: distillation, kind: soft, teacher: { run: teacher } }",
                    ],
                    "student",
                    e =>
                    {
                        if (e is StepDone { Step: 2 })
                            stop.Cancel();
                    }
                )
            )
                Assert.False(first.Train(stop.Token).Completed);
            Environment.CurrentDirectory = Run("elsewhere");
            using var rest = Experiment.Resume("../student");
            Assert.Equal(3, rest.Trainer.Train(until: 3).Steps);
            Assert.Equal(Path.Combine(folder.Path, "teacher"), ((DistillationOptions)rest.Recipe.Objective).Teacher!.Run);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    [Fact]
    public void The_report_stands_alone_and_shows_every_part()
    {
        using (var experiment = Experiment.Begin(RecipePath, ["schedule.epochs=1"], Run("r")))
            experiment.Train();
        var html = File.ReadAllText(new RunFolder(Run("r")).ReportPath);
        foreach (
            var part in (string[])
                [
                    "Loss",
                    "Accuracy",
                    "Learning rate",
                    "Confusion",
                    "Accuracy per class",
                    "Calibration",
                    "Attention",
                    "roll-out",
                    "Most confident mistakes",
                    "Recipe",
                    "Environment",
                    "libtorch",
                    "Run it again",
                    "cct_2_3x2_32",
                    "Ankle boot",
                ]
        )
            Assert.Contains(part, html, StringComparison.Ordinal);
        foreach (var outside in (string[])["http://", "https://", "<script", "<link", "@import", "url("])
            Assert.DoesNotContain(outside, html, StringComparison.OrdinalIgnoreCase);
        // Pictures are written in an alphabet in which these letters may meet by chance.
        Assert.DoesNotContain("NaN", Regex.Replace(html, "base64,[A-Za-z0-9+/=]*", ""), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_with_a_run_is_not_overwritten()
    {
        using (Experiment.Begin(RecipePath, [], Run("once"))) { }
        var error = Assert.Throws<RunException>(() => Experiment.Begin(RecipePath, [], Run("once")));
        Assert.Contains("--resume", error.Message, StringComparison.Ordinal);
        Assert.Contains("no run", Assert.Throws<RunException>(() => Experiment.Resume(Run("never"))).Message, StringComparison.Ordinal);
        Assert.Contains(
            "the run has no checkpoint",
            Assert.Throws<RunException>(() => ModelBundle.Load(Run("once"))).Message,
            StringComparison.Ordinal
        );
    }
}
