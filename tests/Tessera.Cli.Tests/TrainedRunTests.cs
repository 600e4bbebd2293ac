using Tessera.Cli.Shell;

namespace Tessera.Cli.Tests;

public sealed class TrainedRunTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    [Fact]
    public void Training_learns_and_leaves_a_run_folder()
    {
        Assert.True(run.Result.GetProperty("completed").GetBoolean());
        Assert.True(run.Result.GetProperty("top1").GetDouble() > 0.5, $"{run.Result.GetProperty("top1")}");
        Assert.Equal(run.Folder, run.Result.GetProperty("run").GetString());
        foreach (var file in (string[])["recipe.yaml", "log.jsonl"])
            Assert.True(File.Exists(Path.Combine(run.Folder, file)), file);
        Assert.True(File.Exists(run.Weights));
    }

    [Fact]
    public void Evaluation_repeats_what_training_measured()
    {
        var again = run.Place.Run("eval", TrainedRun.Name, "--json").Succeeded().Json;
        Assert.Equal(run.Result.GetProperty("top1").GetDouble(), again.GetProperty("top1").GetDouble());
        Assert.Equal(40, again.GetProperty("evaluation").GetProperty("count").GetInt32());
        var averaged = run.Place.Run("eval", TrainedRun.Name, "--ema", "--json").Succeeded().Json;
        Assert.Equal(run.Result.GetProperty("averaged").GetProperty("top1").GetDouble(), averaged.GetProperty("top1").GetDouble());
    }

    [Fact]
    public void Evaluation_shows_a_table_for_people()
    {
        var text = run.Place.Run("eval", TrainedRun.Name, "--split", "train", "--limit", "50").Succeeded().Output;
        Assert.Contains("fashion_mnist (train)", text, StringComparison.Ordinal);
        Assert.Matches(@"top-1 +\d+\.\d\d %", text);
        Assert.Matches(@"images +50\b", text);
    }

    [Fact]
    public void Evaluation_takes_a_model_with_the_weights_of_a_file()
    {
        var result = run
            .Place.Run("eval", "cct_2_3x2_32", "--checkpoint", run.Weights, "--data", "fashion_mnist", "--root", run.Place.Data, "--json")
            .Succeeded()
            .Json;
        Assert.Equal(run.Result.GetProperty("top1").GetDouble(), result.GetProperty("top1").GetDouble());
    }

    [Fact]
    public void Weights_of_another_model_are_refused_by_name_and_shape()
    {
        var line = run
            .Place.Run("eval", "cct_4_3x2_32", "--checkpoint", run.Weights, "--data", "fashion_mnist", "--root", run.Place.Data)
            .UserError();
        Assert.Contains("classifier.blocks.2", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_that_is_none_is_an_error_of_one_line()
    {
        var file = run.Place.Write("bad.safetensors", "this is no checkpoint");
        Assert.Contains(
            "bad.safetensors",
            run.Place.Run("eval", TrainedRun.Name, "--checkpoint", file).UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "none.pth",
            run.Place.Run("eval", TrainedRun.Name, "--checkpoint", "none.pth").UserError(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Prediction_shows_five_classes_of_each_image_the_likeliest_first()
    {
        string[] files = [run.Place.WriteImage("two.png", 2), run.Place.WriteImage("seven.png", 7)];
        var predicted = run.Place.Run(["predict", TrainedRun.Name, .. files, "--json"]).Succeeded().Json.EnumerateArray().ToArray();
        Assert.Equal(files, predicted.Select(p => p.GetProperty("file").GetString()));
        foreach (var one in predicted)
        {
            double[] probabilities = [.. one.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("probability").GetDouble())];
            Assert.Equal(5, probabilities.Length);
            Assert.Equal(probabilities.OrderDescending(), probabilities);
            Assert.InRange(probabilities.Sum(), 0.5, 1.0000001);
        }
        var table = run.Place.Run(["predict", TrainedRun.Name, .. files]).Succeeded().Lines;
        Assert.Equal(1 + 2 * 5, table.Length);
        var bare = run.Place.Run(["predict", TrainedRun.Name, .. files, "--quiet"]).Succeeded().Lines;
        Assert.Equal(2, bare.Length);
        Assert.All(bare, line => Assert.Equal(3, line.Split('\t').Length));
    }

    [Fact]
    public void Pictures_of_answers_that_are_classes_are_refused() =>
        Assert.Contains(
            "--out is for models whose answers are pictures: those of task classification are classes",
            run.Place.Run("predict", TrainedRun.Name, run.Place.WriteImage("two.png", 2), "--out", "maps").UserError(),
            StringComparison.Ordinal
        );

    [Fact]
    public void A_file_that_is_no_image_costs_only_its_own_answer()
    {
        var good = run.Place.WriteImage("good.png", 1);
        var ended = run.Place.Run("predict", TrainedRun.Name, "absent.png", run.Place.Write("text.png", "no image"), good, "--quiet");
        Assert.Equal(ExitCode.UserError, ended.Code);
        Assert.StartsWith(good, Assert.Single(ended.Lines), StringComparison.Ordinal);
        Assert.Equal(2, ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public void A_folder_that_holds_a_run_is_not_written_over() =>
        Assert.Contains("--resume", run.Place.Run(run.Place.Train("--out", TrainedRun.Name)).UserError(), StringComparison.Ordinal);
}
