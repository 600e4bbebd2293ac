using Tessera.Distributed;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Training.Tests.Distributed;

/// <summary>Several processes (threads here, with real connections between them) come to the weights of one.</summary>
[Collection("engine")]
public sealed partial class SharedTrainingTests
{
    // Of 13 and 3 samples: shares are uneven, and of the last batch some processes get nothing.
    private static readonly int[] batches = [13, 12, 13, 8, 3];

    private const int Epochs = 4,
        Steps = 20;

    /// <summary>Two heads of which one is not used, and a norm that goes by the batch or does not.</summary>
    private sealed partial class Net : Backbone
    {
        private readonly Conv2d stem;
        private readonly BatchNorm? norm;
        private readonly GroupNorm? rows;
        private readonly Linear head = new(TinyModel.Width, TinyModel.Labels);
        private readonly Linear unused = new(TinyModel.Width, 2);

        internal Net(bool batchNorm)
        {
            stem = new Conv2d(1, TinyModel.Width, 2, stride: 2, bias: !batchNorm);
            if (batchNorm)
                norm = new(TinyModel.Width);
            else
                rows = new(1, TinyModel.Width);
        }

        public override (int Height, int Width) ImageSize => (TinyModel.Side, TinyModel.Side);
        public override int Channels => 1;
        public override int Classes => TinyModel.Labels;
        public override int NumFeatures => TinyModel.Width;
        public override IReadOnlyList<string> BlockPaths => ["stem"];
        public override IReadOnlyList<string> ClassifierNames => ["head.weight", "head.bias"];

        internal Linear Unused => unused;

        protected override Tensor Features(Tensor input)
        {
            var x = stem.Call(input);
            return (norm?.Call(x) ?? rows!.Call(x)).Gelu();
        }

        protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

        protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

        protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 2)];

        public override void ResetClassifier(int classes) => throw new NotSupportedException();

        public override void Resize(int height, int width) => throw new NotSupportedException();
    }

    private static FunctionSource Source(DType type, Replica replica, Action<long>? at = null) =>
        new(batches.Length, (epoch, skip) => Enumerable
                .Range(skip, batches.Length - skip)
                .Select(number =>
                {
                    at?.Invoke(epoch * batches.Length + number);
                    var random = new Random(epoch * 1000 + number);
                    var count = batches[number];
                    var pixels = Enumerable.Range(0, count * 16).Select(_ => random.NextDouble() - 0.5).ToArray();
                    var labels = Enumerable.Range(0, count).Select(_ => (long)random.Next(TinyModel.Labels)).ToArray();
                    var share = replica.Count == 1 ? [.. Enumerable.Range(0, count)] : BatchShare.Of(count, replica);
                    var idle = share.Length == 0;
                    if (idle)
                        share = [0];
                    using var scope = new Scope();
                    return scope.Return(
                        Batches.Labelled(
                            Tensor.From(share.SelectMany(i => pixels[(i * 16)..(i * 16 + 16)]).ToArray(), share.Length, 1, 4, 4).To(type),
                            Tensor.From(share.Select(i => labels[i]).ToArray()),
                            share
                        ) with
                        {
                            GlobalCount = count,
                            IsPlaceholder = idle,
                        }
                    );
                }));

    private static (Trainer Trainer, Net Model, Optim.Optimizer Optimizer) New(
        DType type,
        bool batchNorm,
        TrainOptions options,
        OptimizerOptions how,
        ProcessGroup? group,
        string? folder = null,
        Action<TrainingEvent>? report = null,
        Action<long>? at = null
    )
    {
        Net model;
        // The engine's random numbers belong to the process.
        lock (batches)
        {
            Torch.Seed(options.Seed);
            model = new Net(batchNorm);
        }
        model.To(dtype: type);
        var objective = new Supervised(model, 0.1);
        var phases = Phases.Of(objective, how, options);
        var replica = group is null ? Replica.Single : new Replica(group.Rank, group.Size);
        var setup = new TrainingSetup
        {
            Objective = objective,
            Phases = phases,
            Schedule = new CosineOptions(Epochs, 0.5),
            Data = Source(type, replica, at),
            Options = options,
            Test = Source(type, replica),
            Evaluator = () => new ClassificationEvaluator(model, 15),
            Group = group,
        };
        var run = folder is null || group is { IsFirst: false } ? null : new RunFolder(folder);
        return (new(setup, run, report), model, phases[0].Optimizer);
    }

    private static Dictionary<string, double[]> Train(
        DType type,
        bool batchNorm,
        TrainOptions options,
        OptimizerOptions how,
        ProcessGroup? group
    )
    {
        using var scope = new Scope();
        var (trainer, model, optimizer) = New(type, batchNorm, options, how, group);
        using (trainer)
        {
            var result = trainer.Train();
            Assert.Equal(Epochs * ((batches.Length + options.GradAccumSteps - 1) / options.GradAccumSteps), result.Steps);
            var measured = (ClassificationMetrics)result.Last!;
            Assert.Equal(batches.Sum(), measured.Count);
            var state = new Dictionary<string, double[]>
            {
                ["test loss"] = [measured.Loss],
                ["top-1"] = [measured.Top1],
                ["ece"] = [measured.Ece],
                ["unused"] = [model.Unused.Weight.Grad is null ? 0 : 1],
            };
            foreach (var (name, tensor) in model.StateDict())
                state.Add(name, tensor.ToArray<double>());
            foreach (var (name, tensor) in optimizer.StateDict())
                state.Add("optimizer:" + name, tensor.ToArray<double>());
            foreach (var (name, tensor) in trainer.Ema?.StateDict() ?? [])
                state.Add("ema:" + name, tensor.ToArray<double>());
            return state;
        }
    }

    private static void Same(Dictionary<string, double[]> expected, Dictionary<string, double[]> found, double tolerance, string what)
    {
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        var distances = expected
            .Select(entry =>
                (Name: entry.Key, Distance: entry.Value.Zip(found[entry.Key], (a, b) => Math.Abs(a - b)).DefaultIfEmpty().Max())
            )
            .Where(d => !(d.Distance <= tolerance))
            .ToArray();
        Assert.True(
            distances.Length == 0,
            $"{what} is not what one process comes to: {string.Join(", ", distances.Select(d => $"{d.Name} by {d.Distance:G3}"))}"
        );
    }

    public static TheoryData<DType, bool, int, int?, bool> Cases =>
        new()
        {
            { DType.Float32, false, 1, null, false },
            { DType.Float64, false, 1, null, false },
            { DType.Float64, false, 1, null, true },
            { DType.Float32, true, 1, null, false },
            { DType.Float64, true, 1, null, false },
            { DType.Float64, false, 2, null, false },
            { DType.Float64, false, 2, 3, false },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Processes_come_to_the_weights_momentum_and_average_of_one(
        DType type,
        bool batchNorm,
        int accumulate,
        int? microBatch,
        bool adam
    )
    {
        var options = new TrainOptions(Seed: 5, Ema: 0.9, ClipGrad: 1, GradAccumSteps: accumulate, MicroBatch: microBatch);
        OptimizerOptions how = adam ? new AdamWOptions(1e-2) : new SgdOptions(0.05);
        var whole = Train(type, batchNorm, options, how, null);
        foreach (var size in (int[])[2, 4])
        foreach (var (rank, found) in Ranks.Run(size, group => Train(type, batchNorm, options, how, group)).Index())
            Same(whole, found, type == DType.Float64 ? 1e-12 : 1e-6, $"rank {rank} of {size}");
    }

    [Fact]
    public void Sharpness_aware_steps_are_those_of_one_process()
    {
        var options = new TrainOptions(Seed: 5, Sam: new(0.1));
        var whole = Train(DType.Float64, true, options, new SgdOptions(0.05), null);
        foreach (var found in Ranks.Run(2, group => Train(DType.Float64, true, options, new SgdOptions(0.05), group)))
            Same(whole, found, 1e-12, "sam");
    }

    [Fact]
    public void A_run_goes_on_with_another_number_of_processes_and_says_so()
    {
        var options = new TrainOptions(Seed: 5, Ema: 0.9, LogEvery: 1);
        var whole = Train(DType.Float64, true, options, new SgdOptions(0.05), null);
        using var folder = new TempFolder();
        Part(2, 6, null);
        Part(4, 13, "written by 2 processes, going on with 4");
        var last = Part(1, Steps, "written by 4 processes, going on with 1");
        Same(whole.Where(entry => entry.Key is not ("test loss" or "top-1" or "ece")).ToDictionary(), last, 1e-12, "resumed");
        Assert.Equal(
            [2, 4, 1],
            RunLog
                .Read(new RunFolder(folder.Path).LogPath)
                .Where(line => (string?)line["kind"] == "processes")
                .Select(line => (int)line["processes"]!)
        );
        Assert.Equal(
            Enumerable.Range(1, Steps),
            RunLog
                .Read(new RunFolder(folder.Path).LogPath)
                .Where(line => (string?)line["kind"] == "step")
                .Select(line => (int)line["step"]!)
        );

        Dictionary<string, double[]> Part(int size, int until, string? remark)
        {
            Dictionary<string, double[]> Body(ProcessGroup? group)
            {
                using var scope = new Scope();
                var said = new List<string>();
                var (trainer, model, optimizer) = New(DType.Float64, true, options, new SgdOptions(0.05), group, folder.Path, happened =>
                    said.Add(happened.Remark ?? "")
                );
                using (trainer)
                {
                    Assert.Equal(remark is not null, trainer.Resume());
                    if (remark is not null)
                        Assert.Contains(said, line => line.StartsWith(remark, StringComparison.Ordinal));
                    trainer.Train(until);
                    var state = new Dictionary<string, double[]> { ["unused"] = [0] };
                    foreach (var (name, tensor) in model.StateDict())
                        state.Add(name, tensor.ToArray<double>());
                    foreach (var (name, tensor) in optimizer.StateDict())
                        state.Add("optimizer:" + name, tensor.ToArray<double>());
                    foreach (var (name, tensor) in trainer.Ema!.StateDict())
                        state.Add("ema:" + name, tensor.ToArray<double>());
                    return state;
                }
            }
            return size == 1 ? Body(null) : Ranks.Run(size, Body)[0];
        }
    }

    [Fact]
    public void A_process_that_fails_ends_the_others_with_its_rank_and_a_checkpoint_of_the_last_step()
    {
        using var folder = new TempFolder();
        var errors = new Exception?[2];
        Assert.Throws<InvalidTimeZoneException>(() =>
            Ranks.Run(
                2,
                group =>
                {
                    using var scope = new Scope();
                    using var trainer = New(
                        DType.Float32,
                        true,
                        new TrainOptions(Seed: 5),
                        new SgdOptions(0.05),
                        group,
                        folder.Path,
                        at: step =>
                        {
                            if (group.Rank == 1 && step == 7)
                                throw new InvalidTimeZoneException("a test");
                        }
                    ).Trainer;
                    try
                    {
                        trainer.Train();
                    }
                    catch (DistributedException error)
                    {
                        errors[group.Rank] = error;
                        throw;
                    }
                    return 0;
                },
                seconds: 5
            )
        );
        Assert.Equal(1, Assert.IsAssignableFrom<DistributedException>(errors[0]).Rank);
        Assert.Contains("ended with an error: a test", errors[0]!.Message, StringComparison.Ordinal);
        Assert.Equal(7, new RunFolder(folder.Path).Checkpoints.Newest()!.Position.Step);
    }

    [Fact]
    public void A_loss_that_is_no_number_in_one_process_is_skipped_by_all()
    {
        using var folder = new TempFolder();
        var results = Ranks.Run(2, group =>
        {
            using var scope = new Scope();
            var (trainer, model, _) = New(
                DType.Float32,
                false,
                new TrainOptions(Seed: 5, NonFinite: NonFiniteAction.Skip, NonFiniteLimit: 3),
                new SgdOptions(0.05),
                group,
                folder.Path
            );
            using (trainer)
            {
                // A weight of rank 1 alone, put right again by nobody: every step is left out until the limit.
                if (group.Rank == 1)
                    using (Torch.NoGrad())
                        model.Parameters().First().Mul_(double.NaN);
                return Assert.Throws<NonFiniteLossException>(() => trainer.Train()).Message;
            }
        });
        Assert.All(results, message => Assert.StartsWith("rank 1: the loss is NaN", message, StringComparison.Ordinal));
        var skipped = RunLog.Read(new RunFolder(folder.Path).LogPath).Where(line => (string?)line["kind"] == "skipped").ToArray();
        Assert.Equal(3, skipped.Length);
        Assert.All(skipped, line => Assert.StartsWith("rank 1: ", (string)line["reason"]!, StringComparison.Ordinal));
    }
}
