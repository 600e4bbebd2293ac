namespace Tessera.Cli.Tests;

public class BenchTests
{
    [Fact]
    public void Bench_lists_each_benchmark_with_what_it_measures_and_its_script()
    {
        var lines = CommandLineTool.Run("bench").Succeeded().Lines;
        var inference = Assert.Single(lines, line => line.StartsWith("inference ", StringComparison.Ordinal));
        Assert.Contains("ONNX Runtime", inference, StringComparison.Ordinal);
        Assert.EndsWith("benchmarks/inference/run.py", inference, StringComparison.Ordinal);
        Assert.Contains(lines, line => line.StartsWith("main-job/growth ", StringComparison.Ordinal));
        // Started by others.
        Assert.DoesNotContain(lines, line =>
            line.Contains("worker", StringComparison.Ordinal) || line.Contains("train_step", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void Names_and_json_list_the_same()
    {
        var names = CommandLineTool.Run("bench", "--quiet").Succeeded().Lines;
        Assert.Equal(
            names,
            CommandLineTool
                .Run("bench", "--json")
                .Succeeded()
                .Json.EnumerateArray()
                .Select(benchmark => benchmark.GetProperty("name").GetString())
        );
        Assert.Contains("training", names);
    }

    [Fact]
    public void Options_after_the_name_go_to_the_script()
    {
        var ended = CommandLineTool.Run("bench", "inference", "--models", "resnet");
        Assert.Equal(2, ended.Code);
        Assert.Contains("--models resnet: beginnings of vit_tiny_patch16_224", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_of_ours_are_listed_beside_the_scripts()
    {
        var lines = CommandLineTool.Run("bench").Succeeded().Lines;
        Assert.EndsWith(
            "benchmarks/scaling/Program.cs",
            Assert.Single(lines, line => line.StartsWith("scaling ", StringComparison.Ordinal)),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void After_two_dashes_even_help_is_the_scripts() =>
        Assert.Contains("--rounds", CommandLineTool.Run("bench", "start", "--", "--help").Succeeded().Output, StringComparison.Ordinal);

    [Fact]
    public void An_unknown_benchmark_is_answered_with_the_nearest() =>
        Assert.Contains("inference", CommandLineTool.Run("bench", "infrence").UserError(), StringComparison.Ordinal);
}
