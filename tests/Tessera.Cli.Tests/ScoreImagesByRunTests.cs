namespace Tessera.Cli.Tests;

/// <summary><c>tessera score-images</c> by a classifier of a small run, against its own data set.</summary>
public sealed class ScoreImagesByRunTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    private Ended Score(params string[] more) =>
        run.Place.Run([
            "score-images",
            "fashion_mnist",
            "generated",
            "--root",
            run.Place.Data,
            "--split",
            "test",
            "--embedding",
            $"classifier:{TrainedRun.Name}",
            "--allow-few",
            "--splits",
            "1",
            .. more,
        ]);

    [Fact]
    public void A_classifier_of_ours_measures_by_its_own_name_and_says_how_good_it_is()
    {
        Directory.CreateDirectory(Path.Combine(run.Place.Folder, "generated"));
        for (var picture = 0; picture < 40; picture++)
            run.Place.WriteImage(Path.Combine("generated", $"{picture:00}.png"), picture % 4);
        var ended = Score().Succeeded();
        Assert.Matches(@"(?m)^FD-run \(n 40, [0-9a-f]{12}\) +\d", ended.Output);
        Assert.Matches(@"(?m)^CS-run \(n 40, [0-9a-f]{12}\) +\d", ended.Output);
        Assert.Matches(@"(?m)^right on its test images +\d+\.\d\d %$", ended.Output);
        Assert.Matches(@"(?m)^note +fewer images than dimensions", ended.Output);
        var figures = Score("--json").Succeeded().Json;
        Assert.InRange(figures.GetProperty("figures").GetProperty("class_score").GetDouble(), 1, 10);
        Assert.True(figures.GetProperty("figures").GetProperty("recall").GetDouble() < 1);
        var accuracy = figures.GetProperty("evaluation").GetProperty("embedding").GetProperty("accuracy").GetDouble();
        Assert.Equal(run.Result.GetProperty("score").GetProperty("value").GetDouble(), accuracy, 1e-9);
    }
}
