using Tessera.Models;

namespace Tessera.Training.Tests;

/// <summary>What methods demand of the rest of a recipe, and of the task.</summary>
[Collection("engine")]
public sealed class NeedTests
{
    private static readonly NeedContext plain = new([new RandomHorizontalFlip()], 1, 0, false);

    [Fact]
    public void Each_need_refuses_with_its_reason()
    {
        Refuses(new Need.UnmixedImages("pictures count"), plain with { Augment = [new Mixup()] }, "mixup in augment: pictures count");
        Refuses(new Need.UnmixedImages("pictures count"), plain with { Augment = [new CutMix()] }, "cutmix in augment: pictures count");
        Refuses(
            new Need.RepeatableImages(augment => augment.Count > 1 ? "too many" : null),
            plain with
            {
                Augment = [new RandomCrop(4), new RandomHorizontalFlip()],
            },
            "too many"
        );
        Refuses(new Need.NoAuxiliaryLosses("there is no pass"), plain with { AuxiliaryLosses = 1 }, "there is no pass");
        Refuses(new Need.NoAverage("it would lag"), plain with { Averages = true }, "it would lag");
        Refuses(new Need.Views(1), plain with { Views = 2 }, "augment must have one view, not 2");
        Assert.StartsWith("augment must have 2 views, not 1: { views: ", new Need.Views(2).Unmet(plain), StringComparison.Ordinal);
        Assert.Null(new Need.Views(2).Unmet(plain with { Views = 2 }));

        static void Refuses(Need need, NeedContext parts, string reason)
        {
            Assert.Null(need.Unmet(plain));
            Assert.Equal(reason, need.Unmet(parts));
        }
    }

    private static string Yaml(string objective, string more = "", string augment = "[]") =>
        $$"""
            model: vit_micro_patch4_32
            data: cifar10
            augment: {{augment}}
            optimizer: adamw
            schedule: { name: constant, epochs: 1 }
            objective: {{objective}}
            {{more}}
            """;

    [Theory]
    [InlineData("masked_autoencoder", "", "[mixup: 0.8]", "mixup in augment: ")]
    [InlineData("masked_autoencoder", "auxiliary_losses: [relative_localization]", "[]", "auxiliary losses have no map")]
    [InlineData("linear_probe", "train: { ema: 0.9 }", "[]", "train.ema must be left out")]
    [InlineData("supervised", "", "{ views: [[random_shift: 1], []] }", "augment must have one view, not 2")]
    public void A_recipe_that_does_not_have_what_its_method_needs_is_refused_at_the_objective(
        string objective,
        string more,
        string augment,
        string reason
    )
    {
        var message = Assert.Throws<RecipeException>(() => Recipe.Parse(Yaml(objective, more, augment), "r.yaml")).Message;
        Assert.StartsWith("r.yaml:6: objective: ", message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
    }

    /// <summary>A task whose batches have no targets.</summary>
    private sealed record Unlabelling : ImageTask
    {
        public override Type TargetsType => typeof(NoTargets);

        public override bool IsDefaultFor(Dataset data) => false;

        public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
            throw new NotSupportedException();

        public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) => throw new NotSupportedException();

        public override IReadOnlyList<ReportSection> Report(ReportContext context) => throw new NotSupportedException();
    }

    [Fact]
    public void A_method_that_learns_from_other_targets_than_the_tasks_is_refused()
    {
        using var scope = new Scope();
        Assert.StartsWith(
            "objective: supervised needs ClassTargets, ",
            Assert.Throws<RunException>(() => Create("supervised")).Message,
            StringComparison.Ordinal
        );
        // It learns from the images alone.
        Assert.IsType<MaskedAutoencoder>(Create("{ name: masked_autoencoder, dim: 16, depth: 1, heads: 2 }"));

        static Objective Create(string objective) =>
            Recipe.Parse(Yaml(objective), "r.yaml").CreateObjective(new(Small.Vit(), Device.Cpu), new Unlabelling());
    }
}
