using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>
/// Schedules that multiply a regular value by a straight rise in the beginning: at time t of a warm-up of W the factor is
/// 1 - (1 - t / W) (1 - start / top), as in mmcv and, as long as the value has not fallen yet, in timm.
/// </summary>
/// <param name="Epochs">Number of epochs, at least 1, warm-up included.</param>
/// <param name="Warmup">Epochs of warm-up; fractions are allowed.</param>
/// <param name="WarmupLearningRate">Learning rate at the beginning of the warm-up.</param>
public abstract record DecayOptions(int Epochs, double Warmup, double WarmupLearningRate) : ScheduleOptions
{
    /// <inheritdoc/>
    public override int TotalEpochs(long stepsPerEpoch) => Epochs;

    /// <summary>The learning rate without warm-up at a time in epochs.</summary>
    protected abstract double Regular(double top, double epoch);

    /// <summary>Times at which the rate changes: steps or epochs.</summary>
    protected abstract ScheduleInterval Interval { get; }

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch)
    {
        var epoch = Interval == ScheduleInterval.Epoch ? step / stepsPerEpoch : step / (double)stepsPerEpoch;
        var regular = Regular(top, epoch);
        return epoch >= Warmup || top == 0 ? regular : regular * (1 - (1 - epoch / Warmup) * (1 - WarmupLearningRate / top));
    }
}

/// <summary>The learning rate falls at once by a factor, again and again.</summary>
/// <param name="Epochs">Number of epochs, at least 1, warm-up included.</param>
/// <param name="Every">Epochs between two falls; or <paramref name="At"/>.</param>
/// <param name="At">Epochs, from 0, at whose beginning the learning rate falls; or <paramref name="Every"/>.</param>
/// <param name="Rate">Factor of each fall, from 0 to 1; 0.1 by default.</param>
/// <param name="Warmup">Epochs of a straight rise; fractions are allowed.</param>
/// <param name="WarmupLearningRate">Learning rate at the beginning of the rise; 1e-6 by default.</param>
/// <param name="Per">Steps of the rise: epochs (the default) or steps; falls are at the beginning of epochs.</param>
/// <param name="Prefix">Whether falls are counted from the end of the warm-up, as in timm's class, instead of from epoch 0.</param>
/// <param name="WarmupSteps">
/// Steps W of a rise that counts in steps, instead of <paramref name="Warmup"/>: step k from 0 has the share (k + 1) / W, as in
/// htdt/self-supervised, which has 500.
/// </param>
[RecipeName("step")]
public sealed record StepOptions(
    [Range(1, 1_000_000)] int Epochs,
    [Range(1, 1_000_000)] int? Every = null,
    IReadOnlyList<int>? At = null,
    [Range(0, 1)] double Rate = 0.1,
    [Range(0, 1e6)] double Warmup = 0,
    [RecipeName("warmup_lr"), Range(0, 1e3)] double WarmupLearningRate = 1e-6,
    ScheduleInterval Per = ScheduleInterval.Epoch,
    bool Prefix = false,
    [Range(0, 1e12)] long WarmupSteps = 0
) : DecayOptions(Epochs, Warmup, WarmupLearningRate)
{
    /// <summary>Steps of a rise that counts in steps.</summary>
    public long WarmupSteps { get; init; } =
        WarmupSteps == 0 || Warmup == 0
            ? WarmupSteps
            : throw new ArgumentException("a step schedule has { warmup: 5 } in epochs or { warmup_steps: 500 }, not both");

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch) =>
        base.LearningRate(top, step, stepsPerEpoch) * (step < WarmupSteps ? (step + 1) / (double)WarmupSteps : 1);

    /// <summary>Epochs between two falls.</summary>
    public int? Every { get; init; } =
        Every is null == At is { Count: > 0 }
            ? Every
            : throw new ArgumentException("a step schedule must be { every: 30 } or { at: [30, 60, 80] }");

    /// <inheritdoc/>
    protected override ScheduleInterval Interval => Per;

    /// <inheritdoc/>
    protected override double Regular(double top, double epoch)
    {
        var time = Prefix ? Math.Max(0, epoch - Warmup) : epoch;
        return top * Math.Pow(Rate, Every is { } every ? Math.Floor(time / every) : At!.Count(fall => time >= fall));
    }
}

/// <summary>The learning rate falls to the minimum as a power of the time that is left.</summary>
/// <param name="Epochs">Number of epochs, at least 1, warm-up included.</param>
/// <param name="Power">
/// Power of the remaining share of the time, from 0 to 100: 1 for a straight line; 0.9 (the default) is usual in segmentation.
/// </param>
/// <param name="MinLearningRate">Learning rate at the end; 0 by default.</param>
/// <param name="Warmup">Epochs of a straight rise; fractions are allowed.</param>
/// <param name="WarmupLearningRate">Learning rate at the beginning of the rise; 1e-6 by default.</param>
/// <param name="Per">Times at which the rate changes: steps (the default) or epochs.</param>
[RecipeName("polynomial")]
public sealed record PolynomialOptions(
    [Range(1, 1_000_000)] int Epochs,
    [Range(0, 100)] double Power = 0.9,
    [RecipeName("min_lr"), Range(0, 1e3)] double MinLearningRate = 0,
    [Range(0, 1e6)] double Warmup = 0,
    [RecipeName("warmup_lr"), Range(0, 1e3)] double WarmupLearningRate = 1e-6,
    ScheduleInterval Per = ScheduleInterval.Step
) : DecayOptions(Epochs, Warmup, WarmupLearningRate)
{
    /// <inheritdoc/>
    protected override ScheduleInterval Interval => Per;

    /// <inheritdoc/>
    protected override double Regular(double top, double epoch) =>
        (top - MinLearningRate) * Math.Pow(Math.Max(0, 1 - epoch / Epochs), Power) + MinLearningRate;
}

/// <summary>The learning rate falls to the minimum along a straight line.</summary>
/// <param name="Epochs">Number of epochs, at least 1, warm-up included.</param>
/// <param name="MinLearningRate">Learning rate at the end; 0 by default.</param>
/// <param name="Warmup">Epochs of a straight rise; fractions are allowed.</param>
/// <param name="WarmupLearningRate">Learning rate at the beginning of the rise; 1e-6 by default.</param>
/// <param name="Per">Times at which the rate changes: steps (the default) or epochs.</param>
[RecipeName("linear")]
public sealed record LinearOptions(
    [Range(1, 1_000_000)] int Epochs,
    [RecipeName("min_lr"), Range(0, 1e3)] double MinLearningRate = 0,
    [Range(0, 1e6)] double Warmup = 0,
    [RecipeName("warmup_lr"), Range(0, 1e3)] double WarmupLearningRate = 1e-6,
    ScheduleInterval Per = ScheduleInterval.Step
) : DecayOptions(Epochs, Warmup, WarmupLearningRate)
{
    /// <inheritdoc/>
    protected override ScheduleInterval Interval => Per;

    /// <inheritdoc/>
    protected override double Regular(double top, double epoch) => top + (MinLearningRate - top) * Math.Min(1, epoch / Epochs);
}
