using Tessera.Optim;

namespace Tessera.Training.Tests;

/// <summary>Batches that a function makes.</summary>
/// <param name="steps">Of an epoch.</param>
/// <param name="batches">The batches of an epoch, without the first so many.</param>
internal sealed class FunctionSource(int steps, Func<int, int, IEnumerable<Batch>> batches) : BatchSource
{
    public override int StepsPerEpoch => steps;

    public override IEnumerable<Batch> Epoch(int epoch, int skipBatches = 0, CancellationToken stop = default) =>
        batches(epoch, skipBatches);
}

internal static class Batches
{
    /// <summary>A batch with one class per sample.</summary>
    internal static Batch Labelled(Tensor inputs, Tensor labels, IReadOnlyList<int> indices) =>
        new(inputs, new ClassTargets(labels), indices);

    /// <summary>The classes of a batch.</summary>
    internal static Tensor Labels(this Batch batch) => ClassTargets.Of(batch).Labels;

    /// <summary>The same batch with other targets.</summary>
    internal static Batch WithSoft(this Batch batch, Tensor soft) => batch with { Targets = new ClassTargets(batch.Labels(), soft) };

    /// <summary>The same batch with the parts of its images in the first view.</summary>
    internal static Batch Showing(this Batch batch, IReadOnlyList<ImageView> images) =>
        batch with
        {
            Views = [batch.Views[0] with { Images = images }],
        };
}

internal static class Phases
{
    /// <summary>The phases of an objective, all of them optimised in the same way.</summary>
    internal static IReadOnlyList<PhaseSetup> Of(
        Objective objective,
        OptimizerOptions how,
        TrainOptions? options = null,
        Func<GradientScaler?>? scaler = null
    ) =>
        [
            .. objective.Phases.Select(phase => new PhaseSetup(phase, how.Create(objective, phase))
            {
                Scaler = scaler?.Invoke(),
                ClipGrad = options?.ClipGrad,
                ClipGradAdaptive = options?.ClipGradAdaptive,
            }),
        ];

    /// <summary>The optimiser of an objective with one phase.</summary>
    internal static Optimizer Optimizer(this OptimizerOptions how, Objective objective) =>
        how.Create(objective, Assert.Single(objective.Phases));
}
