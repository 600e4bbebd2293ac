using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.Search;

namespace Tessera.Training.Tests.Search;

/// <summary>The search of BATS: two phases on two halves of the samples.</summary>
[Collection("engine")]
public sealed class BatsSearchTests
{
    private const int Side = 8,
        Samples = 8,
        BatchSize = 4,
        Steps = Samples / BatchSize;

    private static readonly IReadOnlyList<bool> second = Halves.Second(Samples, 0);

    private static BatsSupernet Supernet(double temperature = 0.2)
    {
        Torch.Seed(5);
        return new(
            new(
                (Side, Side),
                Width: 4,
                Layers: 3,
                Classes: 3,
                Style: new(2, 2, Models.Layers.Binarization.Activations, false),
                Temperature: temperature
            )
        );
    }

    // Batches in the order of the sampler, of which an image depends on its index and on the epoch alone.
    private static FunctionSource Source(Action<int>? before = null) => new(Steps, (epoch, skip) => new Halves()
                .Order(Samples, 1, epoch, Replica.Single)
                .Chunk(BatchSize)
                .Skip(skip)
                .Select(
                    (draws, i) =>
                    {
                        before?.Invoke(epoch * Steps + skip + i);
                        return Batch([.. draws.Select(draw => draw.Index)], epoch);
                    }
                ));

    private static Batch Batch(int[] indices, int epoch = 0) =>
        Batches.Labelled(
            Tensor.From([.. indices.SelectMany(index => Pixels(index, epoch))], indices.Length, 3, Side, Side),
            Tensor.From([.. indices.Select(index => (long)index % 3)]),
            indices
        );

    private static float[] Pixels(int index, int epoch)
    {
        var random = new Random(epoch * 1000 + index);
        return [.. Enumerable.Range(0, 3 * Side * Side).Select(_ => (float)random.NextDouble() * 2 - 1)];
    }

    private static (Trainer Trainer, BatsSearch Method, TrainingSetup Setup) Training(
        string? folder = null,
        double tableRate = 0.01,
        double rate = 0.05,
        Action<int>? before = null,
        Action<TrainingEvent>? report = null,
        BatsSupernet? supernet = null
    )
    {
        var method = new BatsSearch(supernet ?? Supernet(), second);
        OptimizerOptions[] how = [new AdamOptions(tableRate, 1e-3, 0.5, 0.999), new SgdOptions(rate)];
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases =
            [
                .. method.Phases.Zip(how, (phase, optimizer) =>
                    new PhaseSetup(phase, optimizer.Create(method, phase)) { ConstantLearningRate = phase.Name == "architecture" }
                ),
            ],
            Schedule = new CosineOptions(2, MinLearningRate: rate / 10),
            Data = Source(before),
            Options = new(Seed: 5, LogEvery: 1),
        };
        return (new(setup, folder is null ? null : new RunFolder(folder), report), method, setup);
    }

    private static Dictionary<string, byte[]> Bytes(Module module) =>
        module.NamedParameters().ToDictionary(entry => entry.Name, entry => entry.Parameter.ToBytes());

    [Fact]
    public void Each_phase_changes_only_what_it_learns()
    {
        using var scope = new Scope();
        foreach (var still in (string[])["tables", "weights"])
        {
            var (trainer, method, _) = Training(tableRate: still == "tables" ? 0 : 0.01, rate: still == "weights" ? 0 : 0.05);
            var before = Bytes(method.Supernet);
            using (trainer)
                trainer.Train(until: 2);
            var changed = Bytes(method.Supernet)
                .Where(entry => !entry.Value.SequenceEqual(before[entry.Key]))
                .Select(entry => entry.Key)
                .ToArray();
            string[] tables = ["tables.normal", "tables.reduce"];
            if (still == "tables")
                Assert.Equal(before.Keys.Except(tables), changed);
            else
                Assert.Equal(tables, changed);
        }
    }

    [Fact]
    public void A_phase_sees_the_samples_of_its_half_alone()
    {
        using var scope = new Scope();
        var method = new BatsSearch(Supernet(), second);
        var progress = new Progress(0, 1, 0, 1);
        var draws = new Halves().Order(Samples, 1, 0, Replica.Single).Take(BatchSize).Select(draw => draw.Index).ToArray();
        var batch = Batch(draws);
        foreach (var phase in method.Phases)
        {
            var own = draws.Where(index => second[index] == (phase.Name == "architecture")).ToArray();
            Assert.Equal(BatchSize / 2, own.Length);
            var loss = method.Compute(batch, progress, phase);
            var alone = Batch(own);
            var expected = Supervised.Base(method.Supernet.Call(alone.Inputs), alone, 0).ToDouble();
            Assert.Equal(expected, loss.Total.ToDouble(), 1e-5);
            Assert.Equal(own.Length, loss.Scores["top1"].Weight);
            // Other images in the place of the other half's change nothing.
            var other = Batch(draws, epoch: 1);
            var mixed = batch with
            {
                Views =
                [
                    new(
                        Torch.Stack([
                            .. Enumerable.Range(0, BatchSize).Select(i => (own.Contains(draws[i]) ? batch : other).Inputs.Select(0, i)),
                        ])
                    ),
                ],
            };
            Assert.Equal(loss.Total.ToDouble(), method.Compute(mixed, progress, phase).Total.ToDouble());
            // The parts of a batch add up to it, whatever falls into them; one without samples of the half counts nothing.
            var none = Batch([.. draws.Except(own)]);
            Assert.Equal(0, method.Compute(none, progress, phase).Total.ToDouble());
            Assert.Equal(2 * expected, method.Compute(alone, progress, phase).Total.ToDouble(), 1e-4);
        }
    }

    [Fact]
    public void A_training_that_is_stopped_between_two_phases_comes_to_the_same_bit_for_bit()
    {
        using var scope = new Scope();
        using TempFolder whole = new(),
            parts = new();
        var (trainer, method, setup) = Training(whole.Path);
        using (trainer)
            Assert.True(trainer.Train().Completed);
        var expected = State(method, setup);

        using (var stop = new CancellationTokenSource())
        {
            // Asked for while the batch of a step is made, it stops behind the first phase of this step.
            var (first, _, _) = Training(parts.Path, before: step =>
            {
                if (step == 2)
                    stop.Cancel();
            });
            using (first)
                Assert.False(first.Train(stop: stop.Token).Completed);
        }
        var newest = new RunFolder(parts.Path).Checkpoints.Newest()!;
        Assert.Equal((2, 1), (newest.Position.Step, newest.Position.Partial!.Phase));
        var (resumed, again, setupAgain) = Training(parts.Path);
        using (resumed)
        {
            Torch.Seed(999);
            Assert.True(resumed.Resume());
            Assert.True(resumed.Train().Completed);
        }
        var found = State(again, setupAgain);
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs");
    }

    private static OrderedDictionary<string, byte[]> State(BatsSearch method, TrainingSetup setup)
    {
        var result = new OrderedDictionary<string, byte[]>();
        foreach (var (name, tensor) in method.StateDict())
            result.Add(name, tensor.ToBytes());
        foreach (var phase in setup.Phases)
        foreach (var (name, tensor) in phase.Optimizer.StateDict())
            result.Add($"{phase.Phase.Name}: {name}", tensor.ToBytes());
        return result;
    }

    [Fact]
    public void The_log_tells_entropies_and_the_share_of_skips_and_the_rate_of_the_tables_stays()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var (trainer, method, _) = Training(folder.Path);
        using (trainer)
            trainer.Train();
        var lines = RunLog.Read(new RunFolder(folder.Path).LogPath).Where(line => (string?)line["kind"] == "step").ToArray();
        Assert.Equal(2 * Steps, lines.Length);
        Assert.Equal(Math.Log(8), (double)lines[0]["architecture_entropy_normal"]!, 1e-3);
        Assert.True((double)lines[^1]["architecture_entropy_normal"]! < (double)lines[0]["architecture_entropy_normal"]!);
        Assert.True((double)lines[^1]["architecture_entropy_reduce"]! < (double)lines[0]["architecture_entropy_reduce"]!);
        foreach (var line in lines)
        {
            Assert.Equal(0.01, (double)line["lr"]!);
            Assert.InRange((double)line["architecture_skips"]!, 0, 1);
            Assert.InRange((double)line["architecture_largest_normal"]!, 0.125, 1);
            Assert.InRange((double)line["weights_top1"]!, 0, 1);
        }
        Assert.True((double)lines[^1]["weights_lr"]! < (double)lines[0]["weights_lr"]!);
        Assert.All(method.Watched, curve => Assert.NotNull(lines[0][curve.Field]));
    }

    [Fact]
    public void It_is_said_once_when_more_than_half_of_the_operations_are_skips()
    {
        using var scope = new Scope();
        var net = Supernet();
        using (Torch.NoGrad())
        {
            net.Tables.Normal.Select(1, BatsOperations.Names.ToList().IndexOf(BatsOperations.Skip)).Fill_(3);
            net.Tables.Reduce.Select(1, 4).Fill_(3);
            // Beside all operations of the normal cell, one of the reduction cell.
            net.Tables.Reduce.Select(0, 0).Select(0, BatsOperations.Names.ToList().IndexOf(BatsOperations.Skip)).Fill_(6);
        }
        Assert.Equal(9 / 16.0, BatsSearch.ShareOfSkips(net.Derived()));
        List<string> said = [];
        var (trainer, _, _) = Training(tableRate: 0, supernet: net, report: happened =>
        {
            if (happened is MethodRemark remark)
                said.Add(remark.Remark);
        });
        using (trainer)
            trainer.Train();
        Assert.StartsWith("56% of the operations of the derived cells are skips", Assert.Single(said), StringComparison.Ordinal);
    }

    private static string Recipe(string data) =>
        $$"""
            model: { name: bats_supernet, width: 4, layers: 3, groups: 2, shuffle_groups: 2, temperature: 0.5 }
            data: { name: fashion_mnist, batch: 8, root: {{data}}, split: minitrain, minival: 0.25 }
            augment: []
            objective: bats_search
            phases: [ { name: architecture, optimizer: { name: adam, lr: 3e-3, beta1: 0.5, weight_decay: 1e-3 }, constant_lr: true } ]
            optimizer: { name: sgd, lr: 0.025, weight_decay: 3e-4 }
            schedule: { name: cosine, epochs: 1, min_lr: 0.001 }
            evaluation: { split: minival, batch: 16 }
            train: { threads: 1, clip_grad: 5 }
            """;

    [Fact]
    public void A_recipe_searches_and_its_report_shows_the_cells()
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        SmallMnist.Write(data, train: 40, test: 10);
        var recipe = Path.Combine(folder.Path, "recipe.yaml");
        File.WriteAllText(recipe, Recipe(data));
        var run = Path.Combine(folder.Path, "run");
        using (var experiment = Experiment.Begin(recipe, [], run))
            Assert.True(experiment.Train().Completed);
        using var scope = new Scope();
        var net = Assert.IsType<BatsSupernet>(ModelBundle.Load(run).Model);
        Assert.Equal(0.5, net.Options.Temperature);
        var report = File.ReadAllText(new RunFolder(run).ReportPath);
        foreach (
            var text in (string[])
                [
                    "The normal cell",
                    "The reduction cell",
                    BatsText.Write(net.Derived().Normal),
                    "Entropy of the normal cell",
                    "<path class=\"line s",
                ]
        )
            Assert.Contains(text, report, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model={ name: cct_2_3x2_32 }", "bats_search needs a bats_supernet, not a Cct")]
    [InlineData("data.repeats=2", "repeats, sampling and instances must be left out: bats_search has an order of its own")]
    [InlineData("augment=[ mixup: 0.8 ]", "bats_search learns tables and weights from different images")]
    [InlineData("train.ema=0.9", "bats_search derives cells from the tables as they are, so train.ema must be left out")]
    [InlineData("model.groups=3", "4 channels must be a multiple of 3 groups")]
    [InlineData("model.image_size=30", "images of 30x30 do not halve evenly")]
    public void What_does_not_fit_is_refused_before_the_first_step(string setting, string reason)
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        SmallMnist.Write(data, train: 40, test: 10);
        var recipe = Path.Combine(folder.Path, "recipe.yaml");
        File.WriteAllText(recipe, Recipe(data));
        var error = Assert.ThrowsAny<Exception>(() => Experiment.Begin(recipe, [setting], Path.Combine(folder.Path, "run")));
        Assert.True(error is RunException or RecipeException, $"{error.GetType().Name}: {error.Message}");
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_loss_of_a_second_classifier_counts_by_its_weight()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        const string cell = "sep_conv_3x3:0 skip_connect:1";
        var net = (Bats)
            new BatsNetworkOptions(cell, cell, Width: 4, Layers: 3, Groups: 2, ShuffleGroups: 2, Auxiliary: true).Create(
                new() { Classes = 3 }
            );
        var batch = Batches.Labelled(Torch.Randn([4, 3, 32, 32]), Tensor.From<long>([0, 1, 2, 0]), [0, 1, 2, 3]);
        var progress = new Progress(0, 1, 0, 1);
        double Loss(double weight) => new Supervised(net, auxiliaryWeight: weight).Compute(batch, progress).Total.ToDouble();
        var (without, twice) = (Loss(0), Loss(2));
        var outputs = net.Run(new(batch.Inputs));
        Assert.Equal(Supervised.Base(outputs.Logits, batch, 0).ToDouble(), without, 1e-5);
        Assert.Equal(2 * Supervised.Base(outputs.Named[Outputs.Auxiliary], batch, 0).ToDouble(), twice - without, 1e-4);
        Assert.Equal(without + 0.4 / 2 * (twice - without), new Supervised(net).Compute(batch, progress).Total.ToDouble(), 1e-4);
    }
}
