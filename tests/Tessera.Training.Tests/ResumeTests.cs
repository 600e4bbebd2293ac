using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class ResumeTests
{
    public static TheoryData<Precision, int, int> Cases =>
        new()
        {
            { Precision.Fp32, 1, 5 },
            { Precision.Fp32, 1, 1 },
            { Precision.Fp32, 1, 10 },
            { Precision.Fp32, 2, 7 },
            { Precision.Bf16, 1, 5 },
            { Precision.Bf16, 2, 4 },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped(Precision precision, int accumulate, int stopAt)
    {
        var options = Tiny.Options with { Precision = precision, GradAccumSteps = accumulate };
        using var whole = new TempFolder();
        using var halves = new TempFolder();
        var expected = State(whole.Path, options, [12]);
        var found = State(halves.Path, options, [stopAt, 12]);
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs");
        Assert.Equal(Log(whole.Path), Log(halves.Path));
    }

    private sealed record Split(Precision Precision, bool Ema, int Accumulate, int? MicroBatch, int Workers, int[] Stops)
    {
        internal TrainOptions Options =>
            Tiny.Options with
            {
                Precision = Precision,
                Ema = Ema ? 0.9 : null,
                GradAccumSteps = Accumulate,
                MicroBatch = MicroBatch,
            };

        public override string ToString() =>
            $"{Precision}, ema {Ema}, accumulate {Accumulate}, micro-batch {MicroBatch}, "
            + $"{Workers} workers, stops at {string.Join(", ", Stops)}";
    }

    private static readonly Gen<Split> splits =
        from precision in Gen.Elements(Precision.Fp32, Precision.Bf16)
        from ema in Gen.Elements(true, false)
        from accumulate in Gen.Choose(1, 3)
        from micro in Gen.Elements<int?>(null, 4)
        from workers in Gen.Choose(0, 3)
        from stops in Gen.Choose(0, Steps - 1).ListOf(4)
        select new Split(precision, ema, accumulate, micro, workers, [.. stops.Distinct().Order(), Steps]);

    // At three batches a step the four epochs have eight steps.
    private const int Steps = 8;

    [Fact]
    public void Every_way_to_split_a_training_gives_the_same_state_and_log_whatever_the_workers()
    {
        var wholes = new Dictionary<TrainOptions, (Dictionary<string, byte[]> State, string[] Log)>();
        Prop.ForAll(splits.ToArbitrary(), split =>
            {
                if (!wholes.TryGetValue(split.Options, out var whole))
                    wholes[split.Options] = whole = Run(split with { Workers = 0, Stops = [Steps] });
                var (state, log) = Run(split);
                Assert.Equal(whole.State.Keys.Order(), state.Keys.Order());
                foreach (var (name, bytes) in whole.State)
                    Assert.True(bytes.AsSpan().SequenceEqual(state[name]), $"{name} differs: {split}");
                Assert.Equal(whole.Log, log);
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(40));
    }

    private static (Dictionary<string, byte[]> State, string[] Log) Run(Split split)
    {
        using var folder = new TempFolder();
        return (State(folder.Path, split.Options, split.Stops, () => Loaded(split.Workers)), Log(folder.Path));
    }

    // Augmented images of a data set, made by threads.
    private static Loader Loaded(int workers)
    {
        var random = new Random(8);
        var labels = Enumerable.Range(0, 33).Select(_ => random.Next(TinyModel.Labels)).ToArray();
        var pixels = new byte[labels.Length * TinyModel.Side * TinyModel.Side];
        random.NextBytes(pixels);
        var images = new MemoryImages("made up", "train", ["a", "b", "c"], labels, pixels, 1, TinyModel.Side, TinyModel.Side);
        return new(
            images,
            new([new RandomShift(1), new RandomHorizontalFlip()]),
            new(Tiny.BatchSize)
            {
                Seed = 5,
                Shuffle = true,
                DropLast = true,
                Workers = workers,
            }
        );
    }

    // Weights, optimiser and moving average after the last of several processes, each of which ends at a step.
    private static Dictionary<string, byte[]> State(string folder, TrainOptions options, int[] stops, Func<BatchSource>? data = null)
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, model, optimizer) = Tiny.Training(folder, options, data: data?.Invoke());
            using (trainer)
            {
                // Whatever ran before in the process must not matter.
                Torch.Seed(12345);
                if (stop == stops[0])
                    Torch.Seed(options.Seed);
                else
                    Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                foreach (var (name, tensor) in model.StateDict())
                    result.Add(name, tensor.ToBytes());
                foreach (var (name, tensor) in optimizer.StateDict())
                    result.Add("optimizer:" + name, tensor.ToBytes());
                foreach (var (name, tensor) in trainer.Ema?.StateDict() ?? [])
                    result.Add("ema:" + name, tensor.ToBytes());
            }
        }
        return result;
    }

    internal static string[] Log(string folder) =>
        [
            .. RunLog
                .Read(new RunFolder(folder).LogPath)
                .Select(line =>
                {
                    foreach (var time in (string[])["images_per_second", "waited", "seconds"])
                        line.Remove(time);
                    return line.ToJsonString();
                }),
        ];

    [Fact]
    public void Resuming_skips_damaged_checkpoints_and_says_so()
    {
        using var folder = new TempFolder();
        using (var trainer = Tiny.Training(folder.Path, Tiny.Options with { CheckpointEvery = 2, Keep = 5 }).Trainer)
            trainer.Train(until: 7);
        var newest = new RunFolder(folder.Path).Checkpoints.All;
        var file = Path.Combine(newest[0], "model.safetensors");
        var bytes = File.ReadAllBytes(file);
        bytes[^3] ^= 1;
        File.WriteAllBytes(file, bytes);
        File.Delete(Path.Combine(newest[1], "optimizer.safetensors"));

        Resumed? resumed = null;
        using var again = Tiny.Training(folder.Path, report: e => resumed = e as Resumed ?? resumed).Trainer;
        Assert.True(again.Resume());
        Assert.Equal(newest[2], resumed!.Path);
        Assert.Equal(2, resumed.Skipped.Count);
        Assert.Contains("model.safetensors is damaged", resumed.Skipped[0], StringComparison.Ordinal);
        Assert.Contains("optimizer.safetensors", resumed.Skipped[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelling_writes_a_checkpoint_of_the_very_step()
    {
        using var folder = new TempFolder();
        using var stop = new CancellationTokenSource();
        using var trainer = Tiny.Training(folder.Path, report: e =>
        {
            if (e is StepDone { Step: 8 })
                stop.Cancel();
        }).Trainer;
        var result = trainer.Train(stop: stop.Token);
        Assert.False(result.Completed);
        Assert.Equal(8, result.Steps);
        Assert.Equal(8, new RunFolder(folder.Path).Checkpoints.Newest()!.Position.Step);
    }

    [Fact]
    public void A_run_that_was_stopped_before_its_first_step_can_be_resumed()
    {
        using var folder = new TempFolder();
        using (var trainer = Tiny.Training(folder.Path).Trainer)
            Assert.Equal(0, trainer.Train(until: 0).Steps);
        using var again = Tiny.Training(folder.Path).Trainer;
        Assert.True(again.Resume());
        Assert.Equal(0, again.Step);
        Assert.Equal(3, again.Train(until: 3).Steps);
    }

    [Fact]
    public void Other_data_or_damage_everywhere_are_refused_and_nothing_is_lost()
    {
        using var folder = new TempFolder();
        using (var trainer = Tiny.Training(folder.Path).Trainer)
            trainer.Train(until: 3);
        using (var other = Tiny.Training(folder.Path, data: Tiny.Source(7)).Trainer)
            Assert.Contains(
                "5 steps per epoch, but this run has 7",
                Assert.Throws<RunException>(() => other.Resume()).Message,
                StringComparison.Ordinal
            );
        var log = File.ReadAllBytes(new RunFolder(folder.Path).LogPath);
        File.WriteAllText(Path.Combine(new RunFolder(folder.Path).Checkpoints.All.Single(), "manifest.json"), "{");
        using (var damaged = Tiny.Training(folder.Path).Trainer)
            Assert.Contains(
                "no checkpoint of the run can be used",
                Assert.Throws<RunException>(() => damaged.Resume()).Message,
                StringComparison.Ordinal
            );
        Assert.Equal(log, File.ReadAllBytes(new RunFolder(folder.Path).LogPath));
    }

    [Fact]
    public void Old_checkpoints_are_deleted_but_not_the_best()
    {
        using var folder = new TempFolder();
        using (var trainer = Tiny.Training(folder.Path, Tiny.Options with { Keep = 1, CheckpointEvery = 1 }, epochs: 6).Trainer)
            trainer.Train();
        var store = new RunFolder(folder.Path).Checkpoints;
        Assert.Equal(30, store.Newest()!.Position.Step);
        var best = RunLog
            .Read(new RunFolder(folder.Path).LogPath)
            .Where(line => (string?)line["kind"] == "evaluation")
            .Max(line => (double)line["top1"]!);
        var found = CheckpointStore.Open(store.BestPath!).Position;
        Assert.Equal(new PrimaryScore("top1", best, HigherIsBetter: true), found.Score);
        // The newest and, where it is another one, the best.
        Assert.Equal(found.Step == 30 ? 1 : 2, store.All.Count);
    }
}

[CollectionDefinition("engine", DisableParallelization = true)]
public sealed class EngineCollection;
