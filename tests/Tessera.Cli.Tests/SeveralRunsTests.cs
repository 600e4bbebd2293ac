using Tessera.Checkpoints;

namespace Tessera.Cli.Tests;

/// <summary>A second run of the same model, of another seed and without a moving average.</summary>
public sealed class TwoRuns : IDisposable
{
    public TwoRuns() =>
        First
            .Place.Run(
                First.Place.Train(
                    "--set",
                    "train.seed=7",
                    "--set",
                    "schedule.epochs=1",
                    "--set",
                    "optimizer.lr=3e-3",
                    "--set",
                    "augment=[]",
                    "--out",
                    Second
                )
            )
            .Succeeded();

    internal const string Second = "second";

    internal TrainedRun First { get; } = new();

    public void Dispose() => First.Dispose();
}

public sealed class SeveralRunsTests(TwoRuns runs) : IClassFixture<TwoRuns>
{
    private Workplace Place => runs.First.Place;

    [Fact]
    public void Comparison_tells_figures_and_what_the_recipes_differ_in()
    {
        var result = Place.Run("compare-runs", TrainedRun.Name, TwoRuns.Second, "--json").Succeeded().Json;
        var (first, second) = (result.GetProperty("runs")[0], result.GetProperty("runs")[1]);
        Assert.Equal(runs.First.Result.GetProperty("top1").GetDouble(), first.GetProperty("last").GetDouble(), 1e-9);
        Assert.Equal("top1", first.GetProperty("primary").GetString());
        Assert.Equal((6, 1), (first.GetProperty("epochs").GetInt32(), second.GetProperty("epochs").GetInt32()));
        var differences = result.GetProperty("differences");
        Assert.Equal(["6", "1"], differences.GetProperty("schedule.epochs").EnumerateArray().Select(value => value.GetString()));
        Assert.True(differences.TryGetProperty("train.seed", out _));
        Assert.False(differences.TryGetProperty("optimizer.lr", out _));
        var table = Place.Run("compare-runs", TrainedRun.Name, TwoRuns.Second).Succeeded().Output;
        Assert.Matches(@"best +\d+\.\d\d % +\d+\.\d\d %", table);
        Assert.Matches(@"schedule\.epochs +6 +1\n", table);
    }

    [Fact]
    public void Comparison_lays_the_curves_over_each_other_on_a_page_that_stands_alone()
    {
        Place.Run("compare-runs", TrainedRun.Name, TwoRuns.Second, "--out", "pages/compare.html").Succeeded();
        var page = File.ReadAllText(Path.Combine(Place.Folder, "pages", "compare.html"));
        Assert.Equal(4, page.Split("<svg").Length - 1);
        Assert.Equal(4 * 2, page.Split("<path class=\"line").Length - 1);
        Assert.Contains("schedule.epochs", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_run_cannot_be_compared()
    {
        Assert.Contains("absent", Place.Run("compare-runs", TrainedRun.Name, "absent").UserError(), StringComparison.Ordinal);
        Assert.Contains("at least two runs", Place.Run("compare-runs", TrainedRun.Name).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void Averaged_weights_are_the_mean_of_each_value_and_can_be_evaluated()
    {
        Place.Run("average", TrainedRun.Name, TwoRuns.Second, "--out", "mean.safetensors", "--json").Succeeded();
        var mean = Values(Path.Combine(Place.Folder, "mean.safetensors"));
        var (first, second) = (Values(runs.First.Weights), Values(Newest(TwoRuns.Second)));
        Assert.Equal(first.Keys.Order(), mean.Keys.Order());
        foreach (var (name, values) in mean)
            for (var i = 0; i < values.Length; i++)
                Assert.Equal((first[name][i] + second[name][i]) / 2.0, values[i], 1e-6);
        Place.Run("eval", TrainedRun.Name, "--checkpoint", "mean.safetensors", "--quiet").Succeeded();
        Assert.Equal(
            "same.safetensors",
            Assert.Single(
                Place.Run("average", runs.First.Weights, runs.First.Weights, "--out", "same.safetensors", "--quiet").Succeeded().Lines
            )
        );
        Assert.All(Values(Path.Combine(Place.Folder, "same.safetensors")), pair => Assert.Equal(first[pair.Key], pair.Value));
    }

    [Fact]
    public void Weights_of_another_model_have_no_mean()
    {
        var other = Path.Combine(Place.Folder, "other.safetensors");
        var weights = Values(runs.First.Weights);
        var name = weights.Keys.First();
        Checkpoint.SaveSafetensors(
            other,
            [
                KeyValuePair.Create(name, CheckpointTensor.FromBytes(DType.Float32, new byte[8], [2])),
                KeyValuePair.Create("stranger", CheckpointTensor.FromBytes(DType.Float32, new byte[4], [1])),
            ]
        );
        var line = Place.Run("average", TrainedRun.Name, other, "--out", "none.safetensors").UserError();
        Assert.Contains("unexpected: stranger", line, StringComparison.Ordinal);
        // Of many names the first few and how many there are.
        Assert.Contains(weights.Keys.ElementAt(1), line, StringComparison.Ordinal);
        Assert.Contains($"{weights.Count - 1} missing", line, StringComparison.Ordinal);
        Assert.Contains($"{name} (", line, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Place.Folder, "none.safetensors")));
        Assert.Contains(
            "no moving average",
            Place.Run("average", TrainedRun.Name, TwoRuns.Second, "--ema", "--out", "none.safetensors").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "absent.pth",
            Place.Run("average", TrainedRun.Name, "absent.pth", "--out", "none.safetensors").UserError(),
            StringComparison.Ordinal
        );
    }

    private string Newest(string run) =>
        Directory
            .EnumerateFiles(Path.Combine(Place.Folder, run, "checkpoints"), "model.safetensors", SearchOption.AllDirectories)
            .Order()
            .Last();

    private static Dictionary<string, float[]> Values(string path)
    {
        using var file = Checkpoint.Open(path);
        return file.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.ToSingles());
    }
}
