using Tessera.Training.Runs;

namespace Tessera.Cli.Tests;

/// <summary>A training without labels by BYOL, from the recipe to the report.</summary>
public sealed class ByolTests(Workplace place) : IClassFixture<Workplace>
{
    private string Recipe(string name = "byol.yaml", string augment = "{ views: [ {0}, {0} ] }", string more = "") =>
        place.Write(
            name,
            $$"""
            model: { name: cct_2_3x2_32 }
            data: { name: fashion_mnist, root: "{{place.Data}}", batch: 32 }
            augment: {{augment.Replace(
                "{0}",
                "[ random_resized_crop: { size: 12, min_scale: 0.5 }, flip, color_distortion: { strength: 0.5, solarize: 0.2 } ]",
                StringComparison.Ordinal
            )}}
            objective: { name: byol, hidden: 32, dim: 16, tau: 0.9 }
            optimizer: { name: lars, form: moco, lr: 0.2, lr_batch: 256 }
            schedule: { name: cosine, form: mae, epochs: 2, warmup: 1 }
            train: { threads: 1, log_every: 1, {{more}} }
            """
        );

    [Fact]
    public void A_recipe_trains_measures_and_resumes()
    {
        var trained = place.Run("train", Recipe(), "--out", "run", "--json").Succeeded().Json;
        Assert.True(trained.GetProperty("completed").GetBoolean());
        Assert.Equal(10, trained.GetProperty("steps").GetInt64());
        Assert.InRange(trained.GetProperty("knn_top1").GetDouble(), 0.05, 1);
        var steps = RunLog.Read(Path.Combine(place.Folder, "run", "log.jsonl")).Where(line => (string?)line["kind"] == "step").ToArray();
        Assert.Equal(10, steps.Length);
        Assert.All(steps, step => Assert.InRange((double)step["loss"]!, 0, 8));
        Assert.Equal(0.9, (double)steps[0]["tau"]!, 1e-4);
        // Step 9 of 10, from 0.
        Assert.Equal(1 - 0.1 * 0.5 * (1 + Math.Cos(Math.PI * 0.9)), (double)steps[^1]["tau"]!, 1e-4);
        Assert.True(File.Exists(Path.Combine(place.Folder, "run", "report.html")));
        place.Run("train", "--resume", "run").Succeeded();
    }

    [Theory]
    [InlineData("one.yaml", "{0}", "", "augment must have 2 views, not 1")]
    [InlineData("mixed.yaml", "{ views: [ {0}, [ mixup: 0.8 ] ] }", "", "mixup works on batches with one view")]
    [InlineData("parts.yaml", "{ views: [ {0}, {0} ] }", "grad_accum_steps: 2", "train.grad_accum_steps must be 1")]
    public void A_recipe_that_does_not_fit_is_refused_in_a_line(string name, string augment, string more, string reason)
    {
        var line = place.Run("train", Recipe(name, augment, more), "--out", Path.ChangeExtension(name, null)).UserError();
        Assert.Contains(reason, line, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Long")]
    public void Two_processes_train_together()
    {
        var shared = place.Run("launch", "-n", "2", "train", Recipe("two.yaml"), "--out", "two", "--json").Succeeded();
        Assert.Equal(10, shared.Json.GetProperty("steps").GetInt64());
        Assert.DoesNotContain("differs from that of one", shared.Error, StringComparison.Ordinal);
    }
}
