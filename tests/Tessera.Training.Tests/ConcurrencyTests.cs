using Tessera.Testing;
using Tessera.Training.Runs;
using Tessera.Training.Tasks.MultiLabel;

namespace Tessera.Training.Tests;

/// <summary>Objects that several threads use at once: right, or refused.</summary>
[Collection("engine")]
public sealed class ConcurrencyTests
{
    private const int Threads = 8;
    private const int Rounds = 100;

    [Fact]
    public void A_classification_counts_what_all_threads_add()
    {
        var metrics = new ClassificationEvaluator(4);
        Together.Run(Threads, Rounds, (thread, round) =>
        {
            using var scope = new Scope();
            metrics.Add(
                Tensor.From([0f, 1, 2, 3, 3, 2, 1, 0], 2, 4),
                Tensor.From([3L, 3]),
                [2 * (thread * Rounds + round), 2 * (thread * Rounds + round) + 1]
            );
        });
        Assert.Equal(2 * Threads * Rounds, metrics.Count);
        Assert.Equal(0.5, metrics.Top(1));
        var found = metrics.Measure();
        Assert.Equal(Threads * Rounds, found.Confusion[3][3]);
        Assert.Equal(Threads * Rounds, found.Confusion[3][0]);
    }

    [Fact]
    public void A_measurement_of_several_labels_counts_what_all_threads_add()
    {
        var metrics = new MultiLabelEvaluator([0.5, 0.5]);
        Together.Run(Threads, Rounds, (thread, round) =>
        {
            using var scope = new Scope();
            metrics.Add(Tensor.From([1f, -1], 1, 2), Tensor.From([1f, 0], 1, 2), [thread * Rounds + round]);
        });
        Assert.Equal(Threads * Rounds, metrics.Measure().Count);
    }

    [Fact]
    public void A_log_has_whole_lines_of_all_threads()
    {
        using var folder = new TempFolder();
        using (var log = new RunLog(folder["log.jsonl"]))
            Together.Run(Threads, Rounds, (thread, round) => log.Write("step", thread, round, [("loss", 1.5)]));
        var lines = RunLog.Read(folder["log.jsonl"]);
        Assert.Equal(Threads * Rounds, lines.Count);
        Assert.Equal(Threads * Rounds, lines.Select(line => ((int)line["epoch"]!, (long)line["step"]!)).Distinct().Count());
    }

    [Fact]
    public void A_trainer_that_trains_refuses_a_second_thread()
    {
        Exception? error = null;
        Trainer? trainer = null;
        trainer = Tiny.Training(null, epochs: 1, report: _ =>
        {
            if (error is not null)
                return;
            var second = new Thread(() => error = Record.Exception(() => trainer!.Train()));
            second.Start();
            second.Join();
        }).Trainer;
        using (trainer)
            Assert.True(trainer.Train().Completed);
        Assert.Contains("trains on another thread", Assert.IsType<InvalidOperationException>(error).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_average_refuses_a_second_thread_while_one_adds()
    {
        using var scope = new Scope();
        var average = new WeightAverage();
        Exception? error = null;
        var weights = new Dictionary<string, Tensor> { ["w"] = Torch.Ones([2]) };
        average.Add("first", () =>
        {
            var second = new Thread(() => error = Record.Exception(() => average.Add("second", () => weights)));
            second.Start();
            second.Join();
            return weights;
        });
        Assert.IsType<InvalidOperationException>(error);
        Assert.Equal(["first"], average.Sources);
    }

    [Fact]
    public void A_training_with_nothing_to_learn_is_refused()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        model.RequireGrad(false);
        var method = new Supervised(model, 0.1);
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = Phases.Of(method, new AdamWOptions(1e-3)),
            Schedule = new CosineOptions(1),
            Data = Tiny.Source(),
            Options = Tiny.Options,
        };
        Assert.Contains(
            "there is nothing to learn",
            Assert.Throws<RunException>(() => new Trainer(setup)).Message,
            StringComparison.Ordinal
        );
    }
}
