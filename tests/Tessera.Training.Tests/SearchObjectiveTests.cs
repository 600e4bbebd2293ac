using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Objectives.Search;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class SearchObjectiveTests
{
    private static readonly Progress progress = new(0, 1, 7, 10);

    private static Glit Paths() => new(new((Small.Side, Small.Side), 4, 12, 3, Glit.Config.Distributions(3), Small.Classes));

    [Fact]
    public void A_single_path_changes_the_weights_of_its_candidates_and_the_shared_ones_alone()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var model = Paths();
        var options = new SinglePathOptions(Seed: 3);
        var method = new SinglePath(model, options);
        var optimizer = new AdamWOptions(1e-2).Optimizer(method);
        var before = model.NamedParameters().ToDictionary(entry => entry.Name, entry => entry.Parameter.Clone());
        method.Compute(Small.Source().Epoch(0).First(), progress).Total.Backward();
        optimizer.Step();
        var path = options.Draw(model.Choices, progress.Step);
        var changed = model
            .NamedParameters()
            .Where(entry => !before[entry.Name].Equal(entry.Parameter))
            .Select(entry => entry.Name.Split('.') is ["blocks", var block, var candidate, ..] ? $"{block} {candidate}" : "shared")
            .Distinct();
        Assert.Equal([.. path.Index().Select(entry => $"{entry.Index} {entry.Item}"), "shared"], changed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Paths_and_networks_are_drawn_by_seed_and_step_alone()
    {
        var choices = Enumerable.Repeat(4, 12).ToArray();
        Assert.Equal(new SinglePathOptions(Seed: 3).Draw(choices, 9), new SinglePathOptions(0.1, 3).Draw(choices, 9));
        Assert.NotEqual(new SinglePathOptions(Seed: 3).Draw(choices, 9), new SinglePathOptions(Seed: 3).Draw(choices, 10));
        Assert.NotEqual(new SinglePathOptions(Seed: 3).Draw(choices, 9), new SinglePathOptions(Seed: 4).Draw(choices, 9));
        var counts = Enumerable.Range(0, 4000).CountBy(step => new SinglePathOptions().Draw(choices, step)[5]).ToDictionary();
        Assert.All(Enumerable.Range(0, 4), choice => Assert.InRange(counts[choice], 900, 1100));
        var space = Small.Supernet(VitasSharing.Ordinal).Options.Space;
        Assert.Equal(new VitasSupernetTrainingOptions(Seed: 3).Draw(space, 9), new VitasSupernetTrainingOptions(Seed: 3).Draw(space, 9));
        Assert.NotEqual(
            Enumerable.Range(0, 5).Select(step => new VitasSupernetTrainingOptions(Seed: 3).Draw(space, step).ToString()),
            Enumerable.Range(0, 5).Select(step => new VitasSupernetTrainingOptions(Seed: 4).Draw(space, step).ToString())
        );
    }

    [Fact]
    public void The_logits_of_both_sides_add_up_to_one_loss()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var supernet = Small.Supernet(VitasSharing.Bilateral);
        var options = new VitasSupernetTrainingOptions(0.2, 0.1);
        var batch = Small.Source().Epoch(0).First();
        var genome = options.Draw(supernet.Options.Space, progress.Step);
        var logits = supernet.Call(batch.Inputs, genome) + supernet.Call(batch.Inputs, genome, WidthSharing.Right);
        var method = new VitasSupernetTraining(supernet, options);
        var targets = SharedPasses.Targets(batch.Labels(), Small.Classes, 0.9, 0.05);
        Assert.Equal(0.9 + 2 * 0.05, targets[0].Sum().ToDouble(), 1e-6);
        Assert.Equal(
            ClassificationLosses.SoftCrossEntropy(logits, targets).ToDouble(),
            method.Compute(batch, progress).Total.ToDouble(),
            1e-5
        );
        // Mixed targets contain their smoothing.
        var mixed = SharedPasses.MixedTargets(batch.Labels(), Small.Classes, 0.1, 0.25);
        Assert.Equal(
            ClassificationLosses.SoftCrossEntropy(logits, mixed).ToDouble(),
            method.Compute(batch.WithSoft(mixed), progress).Total.ToDouble(),
            1e-5
        );
    }

    [Fact]
    public void Other_models_are_refused()
    {
        using var scope = new Scope();
        Assert.Contains(
            "trains a vitas_supernet, not a Vit",
            Assert.Throws<ArgumentException>(() => new VitasSupernetTrainingOptions().Create(new(Small.Vit(), Device.Cpu))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "trains a supernet of paths, which a Vit is not",
            Assert.Throws<ArgumentException>(() => new SinglePathOptions().Create(new(Small.Vit(), Device.Cpu))).Message,
            StringComparison.Ordinal
        );
    }
}
