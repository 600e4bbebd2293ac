using Tessera.Models;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Losses beside that of a method have the hooks of a method.</summary>
[Collection("engine")]
public sealed partial class AuxiliaryLossTests
{
    /// <summary>The mean of a map that goes through a layer of its own.</summary>
    private sealed partial class Brightness(double rate, double weight = 0.5, bool mean = true) : AuxiliaryLoss
    {
        private readonly Linear layer = new(TinyModel.Width, 1);

        internal List<string> Calls { get; } = [];

        internal List<Shape> Seen { get; } = [];

        public override string Name => $"brightness_{rate}";

        public override IReadOnlyList<string> Paths => ["norm", "stem"];

        public override bool MeanOverSamples => mean;

        public override double LearningRateScale(string parameter) => parameter.StartsWith("stem.", StringComparison.Ordinal) ? rate : 1;

        public override void BeforeStep(Progress progress) => Calls.Add($"before {progress.Step}");

        public override void AfterStep(Progress progress) => Calls.Add($"after {progress.Step}");

        public override double WeightAt(Progress progress) => weight;

        public override Tensor Compute(Backbone student, IReadOnlyList<Tensor> outputs, Batch batch)
        {
            Seen.AddRange(outputs.Select(output => output.Shape));
            return layer.Call(outputs[0].Mean([2, 3])).Mean();
        }
    }

    private static WithAuxiliaryLosses With(Backbone model, params IEnumerable<Brightness> losses) =>
        new(new Supervised(model, 0.1), losses);

    [Fact]
    public void They_are_called_before_every_step_and_after_each_that_changed_the_weights()
    {
        using var scope = new Scope();
        Brightness[] losses = [new(0.5), new(0.25)];
        var (trainer, _, _) = Tiny.Training(
            null,
            Tiny.Options with
            {
                NonFinite = NonFiniteAction.Skip,
            },
            objective: model => With(model, losses),
            data: Tiny.Source(bad: true),
            test: false
        );
        using (trainer)
            trainer.Train(until: 4);
        // The third batch is not finite: that step is left out.
        Assert.All(losses, loss =>
            Assert.Equal(["before 0", "after 0", "before 1", "after 1", "before 2", "before 3", "after 3"], loss.Calls)
        );
        Assert.Equal([new Shape(6, 8, 2, 2), new Shape(6, 8, 2, 2)], losses[0].Seen[..2]);
    }

    [Fact]
    public void Their_factors_of_learning_rates_multiply_and_their_own_layers_are_learned_and_saved()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        var objective = With(model, new Brightness(0.5), new Brightness(0.25));
        var groups = new AdamWOptions(1e-3).Optimizer(objective).Groups;
        var scales = groups
            .SelectMany(group => group.Parameters.Select(p => (p.Name, group.Scale)))
            .ToDictionary(p => p.Name, p => p.Scale);
        Assert.Equal(0.125, scales["stem.weight"]);
        Assert.Equal(1, scales["head.weight"]);
        Assert.Equal(1, scales["objective.auxiliary.1.layer.weight"]);
        Assert.Equal(model.NamedParameters().Count() + 4, scales.Count);
        Assert.Equal(
            ["auxiliary.0.layer.weight", "auxiliary.0.layer.bias", "auxiliary.1.layer.weight", "auxiliary.1.layer.bias"],
            objective.OwnStateDict().Keys
        );
    }

    [Fact]
    public void A_loss_that_compares_samples_keeps_batches_whole()
    {
        using var scope = new Scope();
        Assert.True(With(new TinyModel(), new Brightness(1)).MeanOverSamples);
        Assert.False(With(new TinyModel(), new Brightness(1), new Brightness(1, mean: false)).MeanOverSamples);
        foreach (var options in (TrainOptions[])[new(MicroBatch: 2), new(GradAccumSteps: 2)])
            Assert.Contains(
                "compares the samples of a batch",
                Assert
                    .Throws<RunException>(() =>
                        Tiny.Training(null, options, objective: model => With(model, new Brightness(1, mean: false)), test: false)
                    )
                    .Message,
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void The_weighted_losses_are_added_to_that_of_the_method_and_named()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var model = new TinyModel();
        model.Eval();
        using var batch = Tiny.Source().Epoch(0).First();
        var loss = With(model, new Brightness(1, weight: 0.5), new Brightness(2, weight: 0)).Compute(batch, new(0, 1, 0, 1));
        var own = new Supervised(model, 0.1).Compute(batch, new(0, 1, 0, 1)).Total;
        Assert.Equal(["brightness_1", "brightness_2"], loss.Parts.Keys);
        Near.Equal(own + 0.5 * loss.Parts["brightness_1"], loss.Total, 1e-6);
        Assert.Equal(["top1"], loss.Scores.Keys);
    }
}
