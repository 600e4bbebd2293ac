using System.Text.Json.Nodes;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests;

/// <summary>Pre-training of a SiT in its three versions.</summary>
[Collection("engine")]
public sealed class SitTests : IDisposable
{
    private const int Side = 16,
        Samples = 8,
        Steps = 3;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<SitVersion> Versions => [SitVersion.V1, SitVersion.V1b, SitVersion.V2];

    private static Sit Network(SitVersion version, (int, int)? size = null) =>
        new(new(size ?? (Side, Side), 4, 24, 2, 3, version, 3, DropPath: 0.1));

    private static ObjectiveContext Context(SitVersion version, Backbone? student = null) =>
        new(student ?? Network(version), Device.Cpu)
        {
            Another = () => Network(version),
            StepSamples = Samples,
            Labels = new(["a", "b", "c"], [.. Enumerable.Range(0, Samples * Steps).Select(i => i % 3)]),
        };

    private static SitPretraining Create(SitVersion version, bool probe = true) =>
        version switch
        {
            SitVersion.V1 => new SitV1(new(Outputs: 16, Probe: probe), Context(version)),
            SitVersion.V1b => new SitV1b(
                new(Align: 4, DropArea: 0.5, ReplaceArea: 0, Width: 32, Outputs: 16, Probe: probe),
                Context(version)
            ),
            _ => new SitV2(new(ReconstructionWeight: 5, Align: 4, Width: 32, Outputs: 16, Momentum: 0.9, Probe: probe), Context(version)),
        };

    private static Batch Views(int epoch, int number)
    {
        var random = new Random(epoch * 100 + number);
        var labels = Enumerable.Range(number * Samples, Samples).Select(i => (long)(i % 3)).ToArray();
        Tensor View() =>
            Tensor.From(
                [
                    .. labels.SelectMany(label =>
                        Enumerable
                            .Range(0, 3 * Side * Side)
                            .Select(i => (float)(random.NextDouble() / 4 + (i / Side % Side * 3 / Side == label ? 1.5 : -0.5)))
                    ),
                ],
                Samples,
                3,
                Side,
                Side
            );
        return new([new(View()), new(View())], new ClassTargets(Tensor.From(labels)), [.. Enumerable.Range(number * Samples, Samples)]);
    }

    private static FunctionSource Source() =>
        new(Steps, (epoch, skip) => Enumerable.Range(skip, Steps - skip).Select(number => Views(epoch, number)));

    private static (Trainer Trainer, SitPretraining Method, Optim.Optimizer Optimizer) Training(
        SitVersion version,
        string? run,
        int epochs,
        bool probe = true
    )
    {
        Torch.Seed(5);
        var method = Create(version, probe);
        var options = new TrainOptions(Seed: 5, LogEvery: 1, ClipGradTensor: 3);
        var phases = PhaseSetup.Of(method, new AdamWOptions(3e-3, 0.04, WeightDecayEnd: 0.1), options);
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = phases,
            Schedule = new CosineOptions(epochs, Form: CosineForm.Dino),
            Data = Source(),
            Options = options,
        };
        return (new(setup, run is null ? null : new RunFolder(run)), method, phases[0].Optimizer);
    }

    private Dictionary<string, byte[]> State(SitVersion version, string run, params int[] stops)
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, method, optimizer) = Training(version, Path.Combine(folder.Path, run), 3);
            using (trainer)
            {
                // Whatever ran before in the process must not matter.
                Torch.Seed(stop == stops[0] ? 5UL : 999UL);
                if (stop != stops[0])
                    Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                foreach (var (key, tensor) in method.StateDict())
                    result.Add(key, tensor.ToBytes());
                foreach (var (key, tensor) in optimizer.StateDict())
                    result.Add("optimizer:" + key, tensor.ToBytes());
            }
        }
        return result;
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped(SitVersion version)
    {
        var expected = State(version, "whole", 7);
        var found = State(version, "parts", 2, 4, 7);
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (tensor, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[tensor]), $"{tensor} differs");
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Training_lowers_the_loss_and_rebuilds_better_than_the_mean_colour(SitVersion version)
    {
        using var scope = new Scope();
        var run = Path.Combine(folder.Path, "run");
        var (trainer, _, _) = Training(version, run, 60);
        using (trainer)
            trainer.Train();
        var steps = RunLog.Read(new RunFolder(run).LogPath).Where(line => (string)line["kind"]! == "step").ToArray();
        double Mean(Range range, string name) => steps[range].Average(line => (double)line[name]!);
        Assert.Equal(60 * Steps, steps.Length);
        Assert.True(Mean(^9.., "loss") < Mean(..9, "loss"));
        // The learned weights of v1b let it begin slowly.
        var most = version == SitVersion.V1b ? 0.9 : 0.7;
        Assert.InRange(Mean(^9.., "masked_l1") / Mean(^9.., "mean_color_l1"), 0, most);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void The_online_probe_changes_no_bit_of_the_rest(SitVersion version)
    {
        Dictionary<string, byte[]> Train(bool probe)
        {
            using var scope = new Scope();
            var (trainer, method, _) = Training(version, null, 2, probe: probe);
            using (trainer)
                trainer.Train();
            return method
                .StateDict()
                .Where(entry => !entry.Key.StartsWith("probe.", StringComparison.Ordinal))
                .ToDictionary(entry => entry.Key, entry => entry.Value.ToBytes());
        }
        var (with, without) = (Train(true), Train(false));
        Assert.Equal(without.Keys, with.Keys);
        Assert.All(with, entry => Assert.Equal(without[entry.Key], entry.Value));
    }

    [Fact]
    public void The_teacher_begins_equal_and_follows_the_parameters_alone()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var method = Create(SitVersion.V2);
        Dictionary<string, float[]> Values(string prefix) =>
            method
                .StateDict()
                .Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))
                .ToDictionary(entry => entry.Key[prefix.Length..], entry => entry.Value.Detach().To(DType.Float32).ToArray<float>());
        Assert.Equal(Values("model."), Values("teacher.module."));
        Assert.Equal(Values("head."), Values("teacher_head.module."));
        Assert.All(method.NamedParameters().Where(entry => entry.Name.StartsWith("teacher", StringComparison.Ordinal)), entry =>
            Assert.False(entry.Parameter.RequiresGrad)
        );

        method.Compute(Views(0, 0), new(0, 2, 0, Steps));
        // Both heads have seen two views of another kind: the student's were destroyed.
        Assert.NotEqual(Values("head.")["mlp.1.running_mean"], Values("teacher_head.module.")["mlp.1.running_mean"]);
        Assert.NotEqual(0, Values("teacher_head.module.")["mlp.1.running_mean"].Max());
        var (before, statistics) = (Values("teacher.module."), Values("teacher_head.module.")["mlp.1.running_mean"]);
        using (Torch.NoGrad())
            foreach (var parameter in method.Model.Parameters())
                parameter.Add_(1);
        var student = Values("model.");
        method.AfterStep(new(0, 2, 0, Steps));
        foreach (var (name, values) in Values("teacher.module."))
            Assert.All(values, (value, i) => Assert.Equal(0.9 * before[name][i] + 0.1 * student[name][i], value, 1e-5));
        Assert.Equal(statistics, Values("teacher_head.module.")["mlp.1.running_mean"]);
        // Half of the way along the cosine from 0.9 to 1.
        var (middle, again) = (Values("teacher.module."), Values("model."));
        method.AfterStep(new(1, 2, Steps, Steps));
        foreach (var (name, values) in Values("teacher.module."))
            Assert.All(values, (value, i) => Assert.Equal(0.95 * middle[name][i] + 0.05 * again[name][i], value, 1e-5));
    }

    [Fact]
    public void The_teacher_has_no_stochastic_depth_and_norms_of_its_own()
    {
        using var scope = new Scope();
        Torch.Seed(4);
        var method = Create(SitVersion.V2);
        method.Train();
        method.Compute(Views(0, 0), new(0, 1, 0, 1));
        var modules = method.NamedModules().ToDictionary(entry => entry.Name, entry => entry.Module);
        Assert.False(modules["teacher.module"].Training);
        Assert.True(modules["teacher_head.module"].Training);
        Assert.True(modules["model"].Training);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void A_student_of_another_version_is_refused(SitVersion version)
    {
        using var scope = new Scope();
        foreach (var student in new Backbone[] { Network(version == SitVersion.V2 ? SitVersion.V1 : SitVersion.V2), Small.Vit() })
        {
            ObjectiveOptions options = version switch
            {
                SitVersion.V1 => new SitV1Options(),
                SitVersion.V1b => new SitV1bOptions(),
                _ => new SitV2Options(),
            };
            var error = Assert.Throws<ArgumentException>(() => options.Create(Context(version, student)));
            Assert.Contains($"a SiT of {version.ToString().ToLowerInvariant()}, such as", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(SitVersion.V1)]
    [InlineData(SitVersion.V1b)]
    public void Images_that_are_turned_must_be_as_high_as_wide(SitVersion version)
    {
        using var scope = new Scope();
        var context = Context(version, Network(version, (16, 24)));
        ObjectiveOptions options = version == SitVersion.V1 ? new SitV1Options() : new SitV1bOptions();
        Assert.Contains("16 x 24", Assert.Throws<ArgumentException>(() => options.Create(context)).Message, StringComparison.Ordinal);
    }

    private string Recipe(SitVersion version)
    {
        SmallMnist.Write(Path.Combine(folder.Path, "data"));
        var (model, objective) = version switch
        {
            SitVersion.V1 => ("sit_v1_micro_patch4_32", "{ name: sit_v1, outputs: 16 }"),
            SitVersion.V1b => ("sit_v1b_micro_patch4_32", "{ name: sit_v1b, align: 4, drop: [noise, zeros], width: 32, outputs: 16 }"),
            _ => ("sit_micro_patch4_32", "{ name: sit, align: 4, reconstruction_weight: 5, width: 32, outputs: 16 }"),
        };
        var path = Path.Combine(folder.Path, $"{version}.yaml");
        File.WriteAllText(
            path,
            $$"""
            model: { name: {{model}} }
            data: { name: fashion_mnist, batch: 16, root: {{Path.Combine(folder.Path, "data")}} }
            augment: { views: [ [ random_shift: 2 ], [ random_horizontal_flip ] ] }
            objective: {{objective}}
            optimizer: { name: adamw, lr: 1e-3, weight_decay: 0.04, weight_decay_end: 0.1 }
            schedule: { name: cosine, form: dino, epochs: 2, warmup: 1 }
            train: { threads: 1, ema: 0.9, clip_grad_tensor: 3, log_every: 1 }
            """
        );
        return path;
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void A_run_by_recipe_measures_features_and_rebuilding_and_shows_pictures(SitVersion version)
    {
        var run = new RunFolder(Path.Combine(folder.Path, "run"));
        using (var experiment = Experiment.Begin(Recipe(version), [], run.Path))
            Assert.Equal("knn_top1", experiment.Train().Last!.Primary);
        var log = RunLog.Read(run.LogPath).ToArray();
        var measured = log.Where(line => (string)line["kind"]! == "evaluation").ToArray();
        Assert.Equal(2, measured.Length);
        string[] own = version == SitVersion.V2 ? [] : ["rotation_top1"];
        foreach (var name in (string[])["masked_l1", "mean_color_l1", "knn_top1", "effective_rank", .. own])
            Assert.All(measured, line => Assert.InRange((double)line[name]!, 0, 1000));
        Assert.Equal(version == SitVersion.V2, !measured[0].ContainsKey("rotation_top1"));
        var steps = log.Where(line => line.ContainsKey("masked_l1") && (string)line["kind"]! != "evaluation").ToArray();
        Assert.NotEmpty(steps);
        Assert.All(steps, line => Assert.InRange((double)line["mean_color_l1"]!, 1e-6, 1000));
        Assert.All(steps, line => Assert.Equal(version != SitVersion.V2, line.ContainsKey("rotation_top1")));
        var page = File.ReadAllText(run.ReportPath);
        Assert.Contains("<h2>Reconstruction</h2>", page, StringComparison.Ordinal);
        // Beside what is rebuilt, eight test images with six neighbours each.
        Assert.Equal(36 + 8 * 7, page.Split("data:image/png").Length - 1);
        Assert.Equal("untrained", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(run.BundlePath, "bundle.json")))!["classifier"]);
    }

    [Fact]
    public void Weight_decay_ends_where_the_recipe_says_and_needs_a_beginning()
    {
        var options = new AdamWOptions(WeightDecay: 0.04, WeightDecayEnd: 0.1);
        Assert.Equal(1, options.DecayScale(0, 42), 1e-12);
        Assert.Equal(0.07 / 0.04, options.DecayScale(21, 42), 1e-12);
        Assert.Equal(0.1 / 0.04, options.DecayScale(42, 42), 1e-12);
        Assert.Equal(1, new AdamWOptions(WeightDecay: 0.04).DecayScale(21, 42));
        Assert.Throws<ArgumentException>(() => new AdamWOptions(WeightDecay: 0, WeightDecayEnd: 0.1));
    }

    [Fact]
    public void Gradients_are_clipped_in_one_way()
    {
        Assert.Throws<ArgumentException>(() => new TrainOptions(ClipGrad: 1, ClipGradTensor: 3));
        Assert.Throws<ArgumentException>(() => new TrainOptions(ClipGradAdaptive: 1, ClipGradTensor: 3));
    }

    [Fact]
    public void Two_heads_have_a_loss_each_and_a_classifier_alone_leaves_the_rest_as_it_is()
    {
        using var scope = new Scope();
        Torch.Seed(7);
        var student = Network(SitVersion.V1);
        student.Eval();
        var batch = Views(0, 0);
        var heads = student.Run(new(batch.Inputs)).Named[Outputs.Heads];
        var each = Enumerable.Range(0, 2).Select(head => ClassificationLosses.CrossEntropy(heads[head], batch.Labels()).ToDouble()).Sum();
        Assert.Equal(each, new Supervised(student).Compute(batch, new(0, 1, 0, 1)).Total.ToDouble(), 1e-5);

        var before = student.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.ToBytes());
        var method = new Supervised(student, classifierOnly: true);
        method.Train();
        var optimizer = new AdamWOptions(1e-2, 5e-4).Optimizer(method);
        method.Compute(batch, new(0, 1, 0, 1)).Total.Backward();
        optimizer.Step();
        Assert.Equal(
            student.ClassifierNames.Order(),
            student
                .StateDict()
                .Where(entry => !before[entry.Key].AsSpan().SequenceEqual(entry.Value.ToBytes()))
                .Select(entry => entry.Key)
                .Order()
        );
        var without = Network(SitVersion.V2);
        without.ResetClassifier(0);
        Assert.Throws<ArgumentException>(() => new Supervised(without, classifierOnly: true));
    }
}
