using Tessera.Models;
using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Training.Tests.Adversarial;

public sealed class VitGanOptionsTests
{
    private static Recipe Recipe(string objective, string train = "{}", string augment = "[]") =>
        Experiments.Recipe.Parse(
            $$"""
            model: vit_2_4_32
            data: { name: cifar10, batch: 64 }
            optimizer: { name: adam, lr: 1e-3, beta1: 0, beta2: 0.99 }
            schedule: { name: constant_steps, steps: 800000, warmup: 3000 }
            objective: {{objective}}
            augment: {{augment}}
            train: {{train}}
            phases: [ { name: discriminator, optimizer: { name: adam, lr: 2e-3, beta1: 0, beta2: 0.99 } } ]
            """,
            "r.yaml"
        );

    [Fact]
    public void A_recipe_names_the_discriminator_and_the_defaults_are_those_of_the_reproduction()
    {
        var plain = (VitGanOptions)Recipe("vitgan").Objective;
        Assert.Equal(new VitGanOptions(new StyleGan2DiscriminatorOptions(), 0.1, 1, 1, 1, new(0.8, 0.8, 0.45, 0, 0.3), 1), plain);
        var recipe = Recipe(
            "{ name: vitgan, discriminator: { name: vit, dim: 64, depth: 2, heads: 2 }, r1: 0, bcr_real: 10, bcr_fake: 10, "
                + "diff_augment: { scaling: 0.8 }, generator_every: 2 }",
            "{ ema_half_life: 1000000, ema_start: 1000000 }"
        );
        var options = (VitGanOptions)recipe.Objective;
        Assert.Equal(new VitDiscriminatorOptions(Dim: 64, Depth: 2, Heads: 2), options.Discriminator);
        Assert.Equal(
            (0, 10, 0.8, 0.8, 2),
            (options.R1, options.BcrReal, options.DiffAugment.Scaling, options.DiffAugment.Color, options.GeneratorEvery)
        );
        Assert.Equal((1e6, 1_000_000L), (recipe.Train.EmaHalfLife!.Value, recipe.Train.EmaStart));
        Assert.Equal(recipe.Objective, Experiments.Recipe.Parse(recipe.ToYaml(), "again.yaml").Objective);
    }

    [Theory]
    [InlineData("{ name: vitgan, discriminator: resnet }", "{}", "discriminator")]
    [InlineData("{ name: vitgan, r1: -1 }", "{}", "objective.r1")]
    [InlineData("vitgan", "{ ema: 0.9, ema_half_life: 10 }", "only one of ema and ema_half_life")]
    [InlineData("vitgan", "{ ema_start: 10 }", "ema_start needs a moving average")]
    public void What_makes_no_sense_is_refused_by_its_name(string objective, string train, string name) =>
        Assert.Contains(name, Assert.Throws<RecipeException>(() => Recipe(objective, train)).Message, StringComparison.Ordinal);

    [Fact]
    public void Mixed_images_are_refused() =>
        Assert.Contains(
            "mixup in augment: vitgan shows single images",
            Assert.Throws<RecipeException>(() => Recipe("vitgan", augment: "[ mixup: 0.8 ]")).Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData(32, 3, 6_580_000)]
    [InlineData(64, 1, 0)]
    public void The_transformer_discriminator_is_that_of_the_paper_for_the_size_of_the_images(int side, int channels, int parameters)
    {
        using var scope = new Scope();
        var made = new VitDiscriminatorOptions().Create(side, channels);
        if (parameters > 0)
            Assert.InRange(made.ParameterCount, parameters * 0.995, parameters * 1.005);
        Assert.Equal([2, 1], made.Call(Torch.Rand([2, channels, side, side])).Shape.ToArray());
    }

    [Fact]
    public void StyleGan2s_discriminator_is_narrow_for_small_images_and_has_no_heads_that_nothing_trains()
    {
        using var scope = new Scope();
        var first = new StyleGan2DiscriminatorOptions(Widest: 32).Create(32, 1).StateDict();
        Assert.DoesNotContain(first.Keys, name => name.StartsWith("projection", StringComparison.Ordinal));
        Assert.Equal(1, first["layers.0.0.weight"].Size(1));
        Assert.True(new StyleGan2DiscriminatorOptions().Create(16, 3).StateDict()["layers.0.0.weight"].Size(0) == 256);
        Assert.Equal(4, new StyleGan2DiscriminatorOptions().Create(8, 3).BatchMultiple);
    }
}
