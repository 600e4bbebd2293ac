namespace Tessera.Cli.Tests;

/// <summary>Methods that learn without labels, from the command line to a run that others go on with.</summary>
public sealed class SelfSupervisedTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    private string Recipe(string objective) =>
        place.Write(
            "recipe.yaml",
            $$"""
            model: { name: cct_2_3x2_32, image_size: 12 }
            data: { name: fashion_mnist, root: {{place.Data}}, batch: 32 }
            augment: { views: [ [ random_crop: { pad: 2 }, random_horizontal_flip ], [ random_crop: { pad: 2 }, random_horizontal_flip ] ] }
            objective: {{objective}}
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2 }
            train: { threads: 1, log_every: 1 }
            """
        );

    [Theory]
    [InlineData("{ name: simclr, temperature: 0.5, dim: 16 }", "contrast_top1")]
    [InlineData("{ name: simclr, form: htdt, temperature: 0.5, hidden: 32, dim: 16, unmix: { probability: 0.5 } }", "mixture_share")]
    [InlineData("{ name: w_mse, hidden: 32, dim: 8, unmix: { until: 1 } }", "mixture_share")]
    [InlineData("{ name: byol, form: htdt, hidden: 32, dim: 16, unmix: {} }", "mixture_share")]
    [InlineData("{ name: moco, queue: 64, dim: 16, unmix: {} }", "mixture_share")]
    public void A_run_measures_features_and_its_weights_begin_another(string objective, string logged)
    {
        var result = place.Run("train", Recipe(objective), "--out", "run", "--json").Succeeded().Json;
        Assert.InRange(result.GetProperty("knn_top1").GetDouble(), 0.2, 1);
        Assert.Contains($"\"{logged}\"", File.ReadAllText(Path.Combine(place.Folder, "run", "log.jsonl")), StringComparison.Ordinal);
        var tuned = place
            .Run([.. place.Train("--set", "model.name=cct_2_3x2_32", "--set", "model.weights=run", "--out", "tuned", "--json")])
            .Succeeded()
            .Json;
        Assert.True(tuned.GetProperty("completed").GetBoolean());
    }

    [Theory]
    [InlineData("{ name: simclr, unmix: { from: 3, until: 2 } }", "until is 2, it must be above from, 3")]
    [InlineData("{ name: simclr, unmix: { probability: 1.5 } }", "unmix.probability")]
    [InlineData("{ name: w_mse }", "choose a larger data.batch")]
    public void Settings_that_make_no_sense_are_refused_in_one_line(string objective, string reason) =>
        Assert.Contains(reason, place.Run("train", Recipe(objective), "--out", "run").UserError(), StringComparison.Ordinal);
}
