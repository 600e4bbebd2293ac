using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>
/// The schedule of mmsegmentation, which counts in steps: a power of the share of the steps that are left, multiplied in the beginning by a
/// straight rise. At step t of T, with a warm-up of W steps, the factor of the rise is 1 - (1 - t / W) (1 - ratio).
/// </summary>
/// <param name="Steps">Number of steps, warm-up included; or <paramref name="Epochs"/>. Training ends there, also within an epoch.</param>
/// <param name="Epochs">Number of epochs, warm-up included; or <paramref name="Steps"/>.</param>
/// <param name="Power">Power of the remaining share, from 0 to 100: 1 (the default) for a straight line, 0.9 in older recipes.</param>
/// <param name="Warmup">Steps of the rise; none by default.</param>
/// <param name="WarmupRatio">Factor at the beginning of the rise, from 0 to 1; 1e-6 by default.</param>
/// <param name="MinLearningRate">Learning rate at the end; 0 by default.</param>
[RecipeName("poly")]
public sealed record PolyOptions(
    [Range(1, 1e12)] long? Steps = null,
    [Range(1, 1_000_000)] int? Epochs = null,
    [Range(0, 100)] double Power = 1,
    [Range(0, 1e12)] long Warmup = 0,
    [Range(0, 1)] double WarmupRatio = 1e-6,
    [RecipeName("min_lr"), Range(0, 1e3)] double MinLearningRate = 0
) : ScheduleOptions
{
    /// <summary>Number of steps; null where the length is given in epochs.</summary>
    public long? Steps { get; init; } =
        Steps is null == Epochs is null
            ? throw new ArgumentException("a poly schedule must be { steps: 160000 } or { epochs: 100 }")
            : Steps;

    /// <inheritdoc/>
    public override int TotalEpochs(long stepsPerEpoch) =>
        Steps is { } steps ? (int)((steps + stepsPerEpoch - 1) / stepsPerEpoch) : Epochs.GetValueOrDefault();

    /// <inheritdoc/>
    public override long TotalSteps(long stepsPerEpoch) => Steps ?? base.TotalSteps(stepsPerEpoch);

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch)
    {
        var left = Math.Max(0, 1 - step / (double)TotalSteps(stepsPerEpoch));
        var regular = (top - MinLearningRate) * Math.Pow(left, Power) + MinLearningRate;
        return step >= Warmup ? regular : regular * (1 - (1 - step / (double)Warmup) * (1 - WarmupRatio));
    }
}
