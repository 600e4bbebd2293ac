namespace Tessera.Cli.Tests;

/// <summary><c>tessera probe</c> on a small run.</summary>
public sealed class ProbeTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    private string[] Weights => ["cct_2_3x2_32", "--checkpoint", run.Weights, "--data", "fashion_mnist", "--root", run.Place.Data];

    [Fact]
    public void All_ways_measure_the_same_twice_and_leave_the_model_as_it_is()
    {
        string[] command =
        [
            "probe",
            TrainedRun.Name,
            "--method",
            "knn,linear,few-shot,fine-tune",
            "--shots",
            "1,3",
            "--epochs",
            "30",
            "--fine-tune-epochs",
            "1",
            "--seed",
            "4",
            "--page",
            "probe.html",
            "--json",
        ];
        var first = run.Place.Run(command).Succeeded().Json;
        var again = run.Place.Run(command).Succeeded().Json;
        Assert.Equal(first.GetRawText(), again.GetRawText());
        foreach (var name in (string[])["knn_top1", "knn_plain_top1", "linear_top1", "few_1_top1", "few_3_top1", "fine_tuned_top1"])
            Assert.InRange(first.GetProperty(name).GetDouble(), 0, 1);
        Assert.True(first.GetProperty("linear_top1").GetDouble() > 0.5);
        var probe = first.GetProperty("probe");
        Assert.Equal(160, probe.GetProperty("training_count").GetInt32());
        Assert.Equal(40, probe.GetProperty("count").GetInt32());
        // The bank holds no more.
        Assert.Equal(160, probe.GetProperty("weighted_knn").GetProperty("neighbors").GetInt32());
        double[] draws = [.. probe.GetProperty("few_shot")[1].GetProperty("top1").EnumerateArray().Select(one => one.GetDouble())];
        Assert.Equal(3, draws.Length);
        Assert.Equal(draws.Average(), first.GetProperty("few_3_top1").GetDouble(), 1e-12);
        Assert.Equal(6, first.GetProperty("trained_epochs").GetInt32());
        Assert.Equal("supervised", first.GetProperty("method").GetString());
        Assert.Equal(64, first.GetProperty("backbone").GetString()!.Length);
        var page = File.ReadAllText(Path.Combine(run.Place.Folder, "probe.html"));
        Assert.Contains("<h2>Nearest neighbours</h2>", page, StringComparison.Ordinal);
        Assert.Contains("data:image/png", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_of_a_file_give_the_figures_of_the_run()
    {
        var own = run.Place.Run("probe", TrainedRun.Name, "--method", "knn", "--json").Succeeded().Json;
        var file = run.Place.Run(["probe", .. Weights, "--method", "knn", "--json"]).Succeeded().Json;
        foreach (var name in (string[])["knn_top1", "knn_plain_top1", "effective_rank"])
            Assert.Equal(own.GetProperty(name).GetDouble(), file.GetProperty(name).GetDouble());
        Assert.Equal(own.GetProperty("backbone").GetString(), file.GetProperty("backbone").GetString());
    }

    [Fact]
    public void A_table_tells_what_was_measured_and_from_how_many_images()
    {
        var text = run
            .Place.Run("probe", TrainedRun.Name, "--train-limit", "50", "--limit", "20", "--protocol", "lbfgs", "--standardize")
            .Succeeded()
            .Output;
        Assert.Matches(@"linear top-1 \(lbfgs\) +\d+\.\d\d %", text);
        Assert.Matches(@"kNN top-1 \(50 weighted\)", text);
        Assert.Matches(@"training samples +50\b", text);
        Assert.Matches(@"measured images +20\b", text);
    }

    [Theory]
    [InlineData("--method magic", "--method must be knn, linear, few-shot, fine-tune, not 'magic'")]
    [InlineData("--draws 2", "--draws must be at least 3")]
    [InlineData("--shots 0", "--shots must be whole numbers of at least 1")]
    [InlineData("--shots two", "not 'two'")]
    [InlineData("--k 0", "--k must be at least 1")]
    [InlineData("--temperature 0", "--temperature must be above 0")]
    [InlineData("--decay -1", "--decay must be at least 0")]
    [InlineData("--method few-shot --shots 17", "class T-shirt/top has 16 training samples, and 17 are to be drawn of each class")]
    public void What_cannot_be_measured_is_an_error_of_one_line(string options, string message)
    {
        var line = run.Place.Run(["probe", TrainedRun.Name, .. options.Split(' ')]).UserError();
        Assert.Contains(message, line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_without_data_and_classes_beside_the_data_are_refused()
    {
        Assert.Contains(
            "--data is required for model cct_2_3x2_32",
            run.Place.Run("probe", "cct_2_3x2_32", "--checkpoint", run.Weights).UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "--classes must be left out",
            run.Place.Run(["probe", .. Weights, "--classes", "10"]).UserError(),
            StringComparison.Ordinal
        );
    }
}
