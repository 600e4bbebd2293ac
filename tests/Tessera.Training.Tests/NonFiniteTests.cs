using Tessera.Models;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Losses and gradients that are infinite or no number, and what the recipe says to do then.</summary>
[Collection("engine")]
public sealed class NonFiniteTests
{
    private static TrainOptions Options(NonFiniteAction action, int limit = 5) =>
        Tiny.Options with
        {
            NonFinite = action,
            NonFiniteLimit = limit,
        };

    // Batches of the ordinary source, of which some hold a value that is no number.
    private static FunctionSource Poisoned(params (int Epoch, int Number)[] bad)
    {
        var source = Tiny.Source();
        return new(source.StepsPerEpoch, (epoch, skip) => source
                .Epoch(epoch, skip)
                .Select(
                    (batch, i) =>
                    {
                        if (bad.Contains((epoch, skip + i)))
                            batch.Inputs.Select(0, 1).Fill_(float.NaN);
                        return batch;
                    }
                ));
    }

    private static Dictionary<string, byte[]> State(
        string folder,
        TrainOptions options,
        BatchSource data,
        int[] stops,
        List<TrainingEvent>? events = null,
        bool resumed = false
    )
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, model, optimizer) = Tiny.Training(folder, options, data: data, report: events is null ? null : events.Add);
            using (trainer)
            {
                if (resumed || stop != stops[0])
                    Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                foreach (var (name, tensor) in model.StateDict())
                    result.Add(name, tensor.ToBytes());
                foreach (var (name, tensor) in optimizer.StateDict())
                    result.Add("optimizer:" + name, tensor.ToBytes());
                foreach (var (name, tensor) in trainer.Ema!.StateDict())
                    result.Add("ema:" + name, tensor.ToBytes());
            }
        }
        return result;
    }

    private static void Equal(Dictionary<string, byte[]> expected, Dictionary<string, byte[]> found)
    {
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs");
    }

    private static bool Finite(Dictionary<string, byte[]> state) =>
        state
            .Where(entry =>
                !entry.Key.EndsWith("step", StringComparison.Ordinal) && !entry.Key.EndsWith("tracked", StringComparison.Ordinal)
            )
            .All(entry => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(entry.Value).ToArray().All(float.IsFinite));

    [Fact]
    public void A_skipped_step_changes_nothing_but_the_position()
    {
        using var folder = new TempFolder();
        var events = new List<TrainingEvent>();
        using var scope = new Scope();
        var (trainer, model, _) = Tiny.Training(folder.Path, Options(NonFiniteAction.Skip), data: Poisoned((0, 2)), report: events.Add);
        using (trainer)
        {
            trainer.Train(until: 2);
            var before = model.StateDict().ToDictionary(e => e.Key, e => e.Value.ToBytes());
            trainer.Train(until: 3);
            Equal(before, model.StateDict().ToDictionary(e => e.Key, e => e.Value.ToBytes()));
            Assert.Equal(3, trainer.Step);
            var skipped = Assert.Single(events.OfType<StepSkipped>());
            Assert.Equal((3, 1), (skipped.Step, skipped.InRow));
            Assert.Contains("inputs themselves are not finite", skipped.Remark, StringComparison.Ordinal);
            Assert.True(trainer.Train().Completed);
        }
        var line = RunLog.Read(new RunFolder(folder.Path).LogPath).Single(line => (string?)line["kind"] == "skipped");
        Assert.Equal(Enumerable.Range(12, 6), line["samples"]!.AsArray().Select(sample => (int)sample!));
        Assert.Equal(3, (int)line["step"]!);
    }

    [Fact]
    public void Too_many_skips_in_a_row_stop_the_run()
    {
        using var scope = new Scope();
        using (var trainer = Tiny.Training(null, Options(NonFiniteAction.Skip, 2), data: Poisoned((0, 1), (0, 2), (0, 4), (1, 0))).Trainer)
            Assert.True(trainer.Train().Completed);
        using var stopped = Tiny.Training(null, Options(NonFiniteAction.Skip, 2), data: Poisoned((0, 1), (0, 2), (0, 3))).Trainer;
        var error = Assert.Throws<NonFiniteLossException>(() => stopped.Train());
        Assert.Equal(3, error.Step);
        Assert.EndsWith("2 steps in a row were left out already (train.non_finite_limit)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rolling_back_goes_on_with_the_data_behind_the_bad_batch()
    {
        using var folder = new TempFolder();
        var events = new List<TrainingEvent>();
        var state = State(
            folder.Path,
            Options(NonFiniteAction.Rollback) with
            {
                CheckpointEvery = 2,
            },
            Poisoned((1, 3)),
            [int.MaxValue],
            events
        );
        Assert.True(Finite(state));
        var back = Assert.Single(events.OfType<RolledBack>());
        Assert.Equal((8, 8, 1), (back.From, back.Step, back.Count));
        var position = new RunFolder(folder.Path).Checkpoints.Newest()!.Position;
        Assert.Equal((20L, 1L, 1), (position.Step, position.Ahead, position.Rollbacks));
        Assert.Equal(20, events.OfType<StepDone>().Last().Step);

        // From an older checkpoint: the steps behind it are done again with other data.
        using var other = new TempFolder();
        events.Clear();
        Assert.True(Finite(State(other.Path, Options(NonFiniteAction.Rollback), Poisoned((1, 3)), [int.MaxValue], events)));
        back = Assert.Single(events.OfType<RolledBack>());
        Assert.Equal((8, 5), (back.From, back.Step));
        position = new RunFolder(other.Path).Checkpoints.Newest()!.Position;
        Assert.Equal((20L, 4L), (position.Step, position.Ahead));
        Assert.Equal(4, events.OfType<Evaluated>().Count());
        Assert.Equal(
            ["rollback"],
            RunLog.Read(new RunFolder(other.Path).LogPath).Select(line => (string)line["kind"]!).Where(kind => kind == "rollback")
        );
        // What was logged by the steps that do not count any more is gone.
        var steps = RunLog
            .Read(new RunFolder(other.Path).LogPath)
            .Where(line => (string?)line["kind"] == "step")
            .Select(line => (int)line["step"]!)
            .ToArray();
        Assert.Equal(steps.Distinct().Order(), steps);
    }

    [Fact]
    public void The_data_of_the_steps_are_those_behind_the_bad_batch()
    {
        using var folder = new TempFolder();
        Seeing? seeing = null;
        using var scope = new Scope();
        using var trainer = Tiny.Training(
            folder.Path,
            Options(NonFiniteAction.Rollback),
            epochs: 2,
            objective: model => seeing = new Seeing(model),
            data: Poisoned((0, 2)),
            test: false
        ).Trainer;
        trainer.Train();
        Assert.Equal([0, 6, 12, 18, 24, 0, 6, 12, 18, 24, 0, 6, 12], seeing!.First);
        Assert.Equal([0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], seeing.Steps);
    }

    private sealed class Seeing(TinyModel model) : BackboneObjective(model)
    {
        internal List<int> First { get; } = [];
        internal List<long> Steps { get; } = [];

        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            First.Add(batch.Indices[0]);
            Steps.Add(progress.Step);
            return new(ClassificationLosses.CrossEntropy(Student.Call(batch.Inputs), batch.Labels()));
        }
    }

    [Fact]
    public void Too_many_ways_back_stop_the_run()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        using var trainer = Tiny.Training(
            folder.Path,
            Options(NonFiniteAction.Rollback, 2),
            data: Poisoned((0, 1), (0, 3), (1, 0))
        ).Trainer;
        var error = Assert.Throws<NonFiniteLossException>(() => trainer.Train());
        Assert.Contains("gone back to a checkpoint 2 times already (train.non_finite_limit)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NonFiniteAction.Skip)]
    [InlineData(NonFiniteAction.Rollback)]
    public void Resuming_is_exact_before_and_after(NonFiniteAction action)
    {
        var data = Poisoned((0, 2), (0, 3), (1, 4), (2, 1));
        using var whole = new TempFolder();
        var expected = State(whole.Path, Options(action), data, [int.MaxValue]);
        Assert.True(Finite(expected));
        foreach (
            var stops in (int[][])
                [
                    [2, 20],
                    [3, 20],
                    [1, 5, 7, 20],
                    [4, 9, 10, 11, 14, 20],
                ]
        )
        {
            using var parts = new TempFolder();
            Equal(expected, State(parts.Path, Options(action), data, [.. stops[..^1], int.MaxValue]));
            if (action == NonFiniteAction.Skip)
                Assert.Equal(ResumeTests.Log(whole.Path), ResumeTests.Log(parts.Path));
        }
    }

    [Fact]
    public void A_process_that_dies_after_going_back_comes_to_the_same_end()
    {
        // Nothing is written between the way back and the next checkpoint: the position of the old one is found again.
        var data = Poisoned((1, 2));
        using var whole = new TempFolder();
        var expected = State(whole.Path, Options(NonFiniteAction.Rollback), data, [int.MaxValue]);
        using var parts = new TempFolder();
        using (var scope = new Scope())
        {
            var died = Tiny.Training(parts.Path, Options(NonFiniteAction.Rollback), data: data, report: e =>
            {
                if (e is StepDone { Step: 6 } && new RunFolder(parts.Path).Checkpoints.All.Count > 1)
                    throw new IOException("killed");
            }).Trainer;
            using (died)
                Assert.Throws<IOException>(() => died.Train());
        }
        Equal(expected, State(parts.Path, Options(NonFiniteAction.Rollback), data, [int.MaxValue], resumed: true));
    }

    [Fact]
    public void Rolling_back_needs_a_run() =>
        Assert.Throws<ArgumentException>(() => Tiny.Training(null, Options(NonFiniteAction.Rollback)));

    /// <summary>A loss that is finite while one of its gradients is not.</summary>
    private sealed class SteepAt(TinyModel model, long step) : BackboneObjective(model)
    {
        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            var loss = ClassificationLosses.CrossEntropy(Student.Call(batch.Inputs), batch.Labels());
            if (progress.Step != step)
                return new(loss);
            var zero = ((TinyModel)Student).Head.Bias!.Sum();
            return new(loss + (zero - zero.Detach()).Sqrt());
        }
    }

    [Fact]
    public void A_sharpness_aware_step_does_not_follow_gradients_that_are_no_numbers()
    {
        using var scope = new Scope();
        using var trainer = Tiny.Training(
            null,
            Options(NonFiniteAction.Stop) with
            {
                Sam = new(),
                ClipGrad = null,
            },
            objective: model => new SteepAt(model, 3)
        ).Trainer;
        var error = Assert.Throws<NonFiniteLossException>(() => trainer.Train());
        Assert.Equal((3, "head.bias"), (error.Step, error.Where));
    }

    [Theory]
    [InlineData(NonFiniteAction.Stop, true)]
    [InlineData(NonFiniteAction.Stop, true, true)]
    [InlineData(NonFiniteAction.Skip, true)]
    [InlineData(NonFiniteAction.Skip, false)]
    [InlineData(NonFiniteAction.Rollback, false)]
    public void Gradients_count_as_well(NonFiniteAction action, bool clip, bool adaptive = false)
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        var events = new List<TrainingEvent>();
        var (trainer, model, _) = Tiny.Training(
            folder.Path,
            Options(action, 1) with
            {
                ClipGrad = clip && !adaptive ? 1 : null,
                ClipGradAdaptive = adaptive ? 1 : null,
            },
            objective: model => new SteepAt(model, 3),
            report: events.Add
        );
        using (trainer)
        {
            if (action == NonFiniteAction.Skip)
            {
                Assert.True(trainer.Train().Completed);
                Assert.Contains(
                    "the gradient of head.bias is not finite",
                    Assert.Single(events.OfType<StepSkipped>()).Reason,
                    StringComparison.Ordinal
                );
                Assert.All(model.Parameters(), parameter => Assert.True(NonFiniteLossException.IsFinite(parameter)));
                return;
            }
            // Other data do not help here: the second time is one too many.
            var error = Assert.Throws<NonFiniteLossException>(() => trainer.Train());
            Assert.Equal((3, "head.bias"), (error.Step, error.Where));
            Assert.Contains("although the loss is", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
            Assert.Equal(action == NonFiniteAction.Rollback ? 1 : 0, events.OfType<RolledBack>().Count());
        }
    }
}
