namespace Tessera.Cli.Tests;

/// <summary>A SiT by the command line: pre-training, fine-tuning, and classifiers alone on frozen features.</summary>
public sealed class SitTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    private const string Optimizing = """
        optimizer: { name: adamw, lr: 1e-3, weight_decay: 5e-4 }
        schedule: { name: cosine, epochs: 1 }
        train: { threads: 1 }
        """;

    private string Data => $"data: {{ name: fashion_mnist, batch: 32, limit: 96, root: {place.Data} }}";

    [Theory]
    [InlineData("sit_v1_micro_patch4_32", "{ name: sit_v1, outputs: 16 }")]
    [InlineData("sit_v1b_micro_patch4_32", "{ name: sit_v1b, width: 16, outputs: 16 }")]
    [InlineData("sit_micro_patch4_32", "{ name: sit, width: 16, outputs: 16 }")]
    public void It_is_pre_trained_then_fine_tuned_then_probed(string model, string objective)
    {
        place.Write(
            "pretrain.yaml",
            $$"""
            model: { name: {{model}}, image_size: 12 }
            {{Data}}
            augment: { views: [ [ random_shift: 1 ], [ random_horizontal_flip ] ] }
            objective: {{objective}}
            {{Optimizing}}
            """
        );
        var pretrained = place.Run("train", "pretrain.yaml", "--out", "pretrained", "--json").Succeeded().Json;
        Assert.True(pretrained.GetProperty("completed").GetBoolean());
        Assert.True(pretrained.GetProperty("masked_l1").GetDouble() > 0);
        Assert.True(pretrained.GetProperty("mean_color_l1").GetDouble() > 0);

        place.Write(
            "tune.yaml",
            $$"""
            model: { name: {{model}}, image_size: 12, weights: pretrained }
            {{Data}}
            augment: [ random_horizontal_flip, mixup: 0.8 ]
            objective: { name: supervised, smoothing: 0.1 }
            {{Optimizing}}
            """
        );
        place.Run("train", "tune.yaml", "--out", "tuned").Succeeded();
        var image = place.WriteImage("x.png", 3);
        place.Run("predict", "tuned", image).Succeeded();
        var probe = place
            .Run(
                "train",
                "tune.yaml",
                "--out",
                "probed",
                "--json",
                "--set",
                "augment=[random_horizontal_flip]",
                "--set",
                "objective={name: supervised, classifier_only: true}"
            )
            .Succeeded()
            .Json;
        Assert.InRange(probe.GetProperty("top1").GetDouble(), 0, 1);
        place.Run("eval", "probed").Succeeded();
        Assert.Contains("never trained", place.Run("predict", "pretrained", image).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void Mistakes_are_an_error_of_one_line()
    {
        place.Write(
            "pretrain.yaml",
            $$"""
            model: { name: vit_micro_patch4_32, image_size: 12 }
            {{Data}}
            augment: { views: [ [ random_shift: 1 ], [ random_horizontal_flip ] ] }
            objective: sit
            {{Optimizing}}
            """
        );
        string Problem(params string[] more) =>
            place
                .Run(["train", "pretrain.yaml", "--out", "never", .. more.SelectMany(setting => (string[])["--set", setting])])
                .UserError();
        Assert.Contains("a SiT of v2, such as sit_small_patch16_224", Problem(), StringComparison.Ordinal);
        Assert.Contains("views", Problem("augment=[random_horizontal_flip]"), StringComparison.Ordinal);
        Assert.Contains(
            "aligned to 8 pixels",
            Problem("model.name=sit_micro_patch4_32", "objective={name: sit, align: 8}"),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "weight_decay_end needs a weight_decay",
            Problem("model.name=sit_micro_patch4_32", "optimizer={name: adamw, weight_decay: 0, weight_decay_end: 0.1}"),
            StringComparison.Ordinal
        );
    }
}
