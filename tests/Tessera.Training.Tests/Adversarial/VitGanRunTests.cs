using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Training.Tests.Adversarial;

/// <summary>Whole runs by recipe, on a small data set in the format of MNIST.</summary>
[Collection("engine")]
public sealed class VitGanRunTests
{
    static VitGanRunTests() => RecipeParts.Register<TinyDiscriminatorOptions>();

    // 32 images are two steps of an epoch.
    private static string Recipe(string data, string discriminator) =>
        $$"""
            model: { name: vitgan_generator, token_width: 7, dim: 12, heads: 2, depth: 1, mapping_layers: 1, pixel_dim: 8 }
            task: { name: generation, allow_few: true, pictures: 4 }
            data: { name: fashion_mnist, batch: 16, root: {{data}} }
            augment: [ random_horizontal_flip ]
            objective: { name: vitgan, discriminator: {{discriminator}}, r1_every: 2 }
            phases: [ { name: discriminator, optimizer: { name: adam, lr: 2e-3, beta1: 0, beta2: 0.99 } } ]
            optimizer: { name: adam, lr: 1e-3, beta1: 0, beta2: 0.99 }
            schedule: { name: constant_steps, steps: 3, warmup: 2 }
            train: { threads: 1, ema_half_life: 100, ema_start: 16, log_every: 1 }
            """;

    [Fact]
    public void A_recipe_trains_and_a_run_that_was_stopped_in_a_step_comes_to_the_same_bundle()
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        SmallMnist.Write(data, train: 32, test: 16);
        var recipe = Path.Combine(folder.Path, "recipe.yaml");
        File.WriteAllText(recipe, Recipe(data, "tiny_discriminator"));
        string Run(string name) => Path.Combine(folder.Path, name);

        using (var experiment = Experiment.Begin(recipe, [], Run("whole")))
            Assert.True(experiment.Train().Completed);
        var lines = RunLog.Read(new RunFolder(Run("whole")).LogPath).Where(line => (string)line["kind"]! == "step").ToArray();
        Assert.Equal([1, 2, 3], lines.Select(line => (int)line["step"]!));
        // Two time scales, of which the first rises over two steps.
        Assert.Equal((1e-3, 5e-4), ((double)lines[0]["lr"]!, (double)lines[0]["generator_lr"]!));
        Assert.Contains("Scores of generated images", File.ReadAllText(new RunFolder(Run("whole")).ReportPath), StringComparison.Ordinal);

        using (var stop = new CancellationTokenSource())
        using (var experiment = Experiment.Begin(recipe, [], Run("parts")))
        {
            experiment.Trainer.Train(until: 1);
            ((TinyDiscriminator)((VitGan)experiment.Objective).Discriminator).Seen = _ => stop.Cancel();
            Assert.False(experiment.Train(stop.Token).Completed);
        }
        Assert.NotNull(new RunFolder(Run("parts")).Checkpoints.Newest()!.Position.Partial);
        using (var experiment = Experiment.Resume(Run("parts")))
            Assert.True(experiment.Train().Completed);
        foreach (var ema in (bool[])[false, true])
        {
            var (whole, parts) = (Weights("whole"), Weights("parts"));
            Assert.Equal(whole.Keys, parts.Keys);
            foreach (var (name, tensor) in whole)
                Assert.True(tensor.ToBytes().AsSpan().SequenceEqual(parts[name].ToBytes()), $"{name} differs (ema {ema})");

            OrderedDictionary<string, Tensor> Weights(string name) => ModelBundle.Load(Run(name), ema: ema).Model.StateDict();
        }
        Assert.IsType<VitGanGenerator>(ModelBundle.Load(Run("whole")).Model);
    }

    [Theory]
    [InlineData("{ name: tiny_discriminator, multiple: 4 }", "data.batch=18", "must be a multiple of 4, not 18")]
    [InlineData("{ name: vit, patch: 5 }", "data.batch=16", "must be a multiple of the patch of 5 pixels")]
    [InlineData("{ name: vit, patch: 4 }", "model=vit_2_4_32", "vit_2_4_32")]
    public void What_does_not_fit_is_refused_before_the_first_step(string discriminator, string setting, string reason)
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        SmallMnist.Write(data, train: 32, test: 16);
        var recipe = Path.Combine(folder.Path, "recipe.yaml");
        File.WriteAllText(recipe, Recipe(data, discriminator));
        var error = Assert.ThrowsAny<Exception>(() => Experiment.Begin(recipe, [setting], Path.Combine(folder.Path, "run")));
        Assert.True(error is RunException or RecipeException, error.GetType().Name);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }
}
