using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Evaluations whose figures are no numbers.</summary>
[Collection("engine")]
public sealed class FiguresNotFiniteTests
{
    [Fact]
    public void A_model_that_answers_without_numbers_is_measured_logged_and_written()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var events = new List<TrainingEvent>();
        var (trainer, metrics) = WithoutNumbers(folder.Path, events.Add);
        using (trainer)
            Assert.True(trainer.Train().Completed);
        var remark = Assert.Single(events.OfType<FiguresNotFinite>());
        Assert.Equal(["loss", "ece"], remark.Names);
        Assert.Contains("log.jsonl and results.json hold as null", remark.Remark, StringComparison.Ordinal);
        var run = new RunFolder(folder.Path);
        var line = Assert.Single(RunLog.Read(run.LogPath), line => (string)line["kind"]! == "evaluation");
        Assert.True(line.ContainsKey("loss"));
        Assert.Null(line["loss"]);
        // Nothing of it is right, for any class.
        Assert.Equal((0, 0, 0), ((double)line["top1"]!, (double)line["top5"]!, metrics().MeanPerClass));
        var results = JsonNode.Parse(JsonSerializer.Serialize((object)metrics(), RunFolder.Json))!.AsObject();
        Assert.True(results.ContainsKey("loss"));
        Assert.Null(results["loss"]);
        Assert.Empty(new Reports.RunCurves(RunLog.Read(run.LogPath)).OfEvaluations("loss"));
    }

    // The weights are numbers, what is measured are none.
    private static (Trainer Trainer, Func<ClassificationMetrics> Measure) WithoutNumbers(string folder, Action<TrainingEvent> report)
    {
        Torch.Seed(1);
        var model = new TinyModel();
        var method = new Supervised(model);
        var options = Tiny.Options with { Ema = null };
        ClassificationEvaluator Evaluator() =>
            new(TinyModel.Labels, predict: batch => Torch.Full([batch.Count, TinyModel.Labels], double.NaN));
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = Phases.Of(method, new AdamWOptions(1e-2), options, () => null),
            Schedule = new CosineOptions(1, 0),
            Data = Tiny.Source(),
            Options = options,
            Test = Tiny.Source(3),
            Evaluator = Evaluator,
        };
        return (new(setup, new RunFolder(folder), report), () =>
        {
            var evaluator = Evaluator();
            foreach (var batch in Tiny.Source(3).Epoch(0))
                evaluator.Add(batch);
            return evaluator.Measure();
        });
    }

    [Fact]
    public void A_score_that_is_no_number_chooses_no_best_checkpoint()
    {
        using var folder = new TempFolder();
        var (trainer, _, _) = Tiny.Training(folder.Path, epochs: 1);
        using (trainer)
            trainer.Train();
        var position = new RunFolder(folder.Path).Checkpoints.Newest()!.Position;
        Assert.NotNull(position.Score);
        var odd = position with { Step = position.Step + 1, Interval = StepMetrics.Empty with { Loss = double.NaN }, Score = null };
        var store = new RunFolder(folder.Path).Checkpoints;
        store.Save(odd, new Dictionary<string, IReadOnlyDictionary<string, Tensor>>());
        Assert.Equal(double.NaN, store.Newest()!.Position.Interval.Loss);
        Assert.EndsWith($"{position.Step:D8}", store.BestPath, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void Results_and_log_hold_null(double value)
    {
        using var folder = new TempFolder();
        Assert.Equal("[null,1.5]", string.Concat(JsonSerializer.Serialize((double[])[value, 1.5], RunFolder.Json).Where(c => c > ' ')));
        Assert.Equal([double.NaN, 1.5], JsonSerializer.Deserialize<double[]>("[null,1.5]", RunFolder.Json)!);
        using (var log = new RunLog(folder["log.jsonl"]))
            log.Write("step", 0, 1, [("loss", value), ("lr", 0.5)]);
        var line = Assert.Single(RunLog.Read(folder["log.jsonl"]));
        Assert.Null(line["loss"]);
        Assert.Equal(0.5, (double)line["lr"]!);
    }
}
