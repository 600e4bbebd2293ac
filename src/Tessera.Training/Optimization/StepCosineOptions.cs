using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>
/// A cosine that counts in steps, as the authors' code of SimCLR (Chen et al., 2020, arXiv:2002.05709) does: a straight rise whose step k
/// from 0 has the share k / W of the top, then half a cosine over the steps that are left.
/// </summary>
/// <param name="Steps">Number of steps, warm-up included. Training ends there, also within an epoch.</param>
/// <param name="Warmup">Steps of the rise W, less than <paramref name="Steps"/>; none by default.</param>
/// <param name="MinLearningRate">Learning rate at the end; 0 by default.</param>
[RecipeName("cosine_steps")]
public sealed record StepCosineOptions(
    [Range(1, 1e12)] long Steps,
    [Range(0, 1e12)] long Warmup = 0,
    [RecipeName("min_lr"), Range(0, 1e3)] double MinLearningRate = 0
) : ScheduleOptions
{
    /// <summary>Steps of the rise.</summary>
    public long Warmup { get; init; } =
        Warmup < Steps ? Warmup : throw new ArgumentException($"warmup must be less than {Steps} steps, not {Warmup}");

    /// <summary>
    /// SimCLR's number of steps, which goes by samples and not by whole epochs: samples times epochs over the batch, rounded down, and one
    /// more; and of those of the warm-up.
    /// </summary>
    /// <param name="samples">Of the training data, at least 1.</param>
    /// <param name="epochs">Length of the training, at least 1.</param>
    /// <param name="batch">Samples of a step over all processes, at least 1.</param>
    /// <param name="warmup">Epochs of the rise.</param>
    public static StepCosineOptions SimClr(long samples, int epochs, int batch, double warmup) =>
        new(samples * epochs / batch + 1, (long)Math.Floor(warmup * samples / batch));

    /// <inheritdoc/>
    public override int TotalEpochs(long stepsPerEpoch) => (int)((Steps + stepsPerEpoch - 1) / stepsPerEpoch);

    /// <inheritdoc/>
    public override long TotalSteps(long stepsPerEpoch) => Steps;

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch) =>
        step < Warmup
            ? top * step / Warmup
            : MinLearningRate
                + 0.5 * (top - MinLearningRate) * (1 + Math.Cos(Math.PI * Math.Min(step - Warmup, Steps - Warmup) / (Steps - Warmup)));
}
