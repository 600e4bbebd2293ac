using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>The same learning rate throughout, after a straight warm-up; both count in steps.</summary>
/// <param name="Steps">Number of steps, warm-up included. Training ends there, also within an epoch.</param>
/// <param name="Warmup">
/// Steps of the rise W, less than <paramref name="Steps"/>; none by default. Step k from 0 has the share (k + 1) / W.
/// </param>
[RecipeName("constant_steps")]
public sealed record StepConstantOptions([Range(1, 1e12)] long Steps, [Range(0, 1e12)] long Warmup = 0) : ScheduleOptions
{
    /// <summary>Steps of the rise.</summary>
    public long Warmup { get; init; } =
        Warmup < Steps ? Warmup : throw new ArgumentException($"warmup must be less than {Steps} steps, not {Warmup}");

    /// <inheritdoc/>
    public override int TotalEpochs(long stepsPerEpoch) => (int)((Steps + stepsPerEpoch - 1) / stepsPerEpoch);

    /// <inheritdoc/>
    public override long TotalSteps(long stepsPerEpoch) => Steps;

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch) => step < Warmup ? top * (step + 1) / Warmup : top;
}
