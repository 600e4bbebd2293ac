using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>Length of a training, and its learning rate over time.</summary>
[RecipePart("schedule")]
public abstract record ScheduleOptions
{
    /// <summary>Number of epochs, with warm-up, all cycles and cooldown.</summary>
    /// <param name="stepsPerEpoch">Steps per epoch, at least 1.</param>
    public abstract int TotalEpochs(long stepsPerEpoch);

    /// <summary>Number of steps; a training that is measured in steps may end within its last epoch.</summary>
    /// <param name="stepsPerEpoch">Steps per epoch, at least 1.</param>
    public virtual long TotalSteps(long stepsPerEpoch) => TotalEpochs(stepsPerEpoch) * stepsPerEpoch;

    /// <summary>The learning rate of a step.</summary>
    /// <param name="top">Highest learning rate of the schedule.</param>
    /// <param name="step">Number of the step over all epochs, from 0.</param>
    /// <param name="stepsPerEpoch">Steps per epoch, at least 1.</param>
    public abstract double LearningRate(double top, long step, long stepsPerEpoch);
}

/// <summary>Published forms of the cosine, which differ in its beginning and in the rise of the warm-up.</summary>
public enum CosineForm
{
    /// <summary>A straight rise from the warm-up rate, then the cosine over the epochs that remain.</summary>
    Shifted,

    /// <summary>timm: the cosine counts from epoch 0, so that the rate jumps a little down where the warm-up ends.</summary>
    Timm,

    /// <summary>timm with its warm-up as a prefix: the cosine follows the warm-up, which adds to the number of epochs.</summary>
    TimmPrefix,

    /// <summary>
    /// DeiT's script: timm's form one epoch late, since the rate is set after each epoch by its number; epochs 0 and 1 both run at the
    /// warm-up rate.
    /// </summary>
    Deit,

    /// <summary>
    /// The basic script of the compact transformers: warm-up at lr / (warmup - epoch), then the cosine over the remaining epochs.
    /// </summary>
    Basic,

    /// <summary>
    /// MAE and MoCo v3: as shifted, but a rise counts from the beginning of its step, so that the first step has the warm-up rate itself.
    /// </summary>
    Mae,

    /// <summary>DINO: as MAE's, but the last step of the rise is at the top already, and so is the first of the cosine.</summary>
    Dino,

    /// <summary>
    /// MoCo's demo on CIFAR and Un-Mix: changed at every epoch, which count from 1, so that the last one has the minimum. There is no
    /// warm-up.
    /// </summary>
    MocoCifar,
}

/// <summary>Times at which the learning rate changes.</summary>
public enum ScheduleInterval
{
    /// <summary>At every step.</summary>
    Step,

    /// <summary>At the beginning of every epoch.</summary>
    Epoch,
}

/// <summary>Cosine decay with warm-up (Loshchilov and Hutter, 2016, arXiv:1608.03983).</summary>
/// <param name="Epochs">Length of the (first) cycle, including the warm-up unless the form is <c>timm_prefix</c>.</param>
/// <param name="Warmup">
/// Epochs of warm-up; fractions are allowed. It must be less than <paramref name="Epochs"/> except in the form <c>timm_prefix</c>.
/// </param>
/// <param name="WarmupLearningRate">Learning rate at the beginning of the warm-up; 0 by default.</param>
/// <param name="MinLearningRate">Learning rate at the end of the cosine; 0 by default.</param>
/// <param name="Form">Published form of cosine and warm-up; shifted by default.</param>
/// <param name="Per">
/// When the rate changes; by default at every epoch in timm's forms, deit, basic and moco_cifar, and at every step in the other forms.
/// </param>
/// <param name="Cooldown">Epochs at the minimum after the end.</param>
/// <param name="Cycles">timm: how many cosines follow each other, each from the top again.</param>
/// <param name="CycleGrowth">timm: length of each cycle relative to the one before.</param>
/// <param name="CycleDecay">timm: top of each cycle relative to the one before.</param>
[RecipeName("cosine")]
public sealed record CosineOptions(
    [Range(1, 1_000_000)] int Epochs,
    [Range(0, 1e6)] double Warmup = 0,
    [RecipeName("warmup_lr"), Range(0, 1e3)] double WarmupLearningRate = 0,
    [RecipeName("min_lr"), Range(0, 1e3)] double MinLearningRate = 0,
    CosineForm Form = CosineForm.Shifted,
    ScheduleInterval? Per = null,
    [Range(0, 1_000_000)] int Cooldown = 0,
    [Range(1, 1000)] int Cycles = 1,
    [Range(0.01, 100)] double CycleGrowth = 1,
    [Range(0, 1)] double CycleDecay = 1
) : ScheduleOptions
{
    /// <summary>Epochs of warm-up.</summary>
    public double Warmup { get; init; } =
        Form == CosineForm.MocoCifar && Warmup != 0 ? throw new ArgumentException("warmup must be 0 with the form moco_cifar")
        : Warmup < Epochs || Form == CosineForm.TimmPrefix ? Warmup
        : throw new ArgumentException($"warmup must be less than {Epochs} epochs, not {Warmup}");

    /// <summary>Times at which the rate changes: steps or epochs; null for the form's own.</summary>
    public ScheduleInterval? Per { get; init; } =
        Per switch
        {
            ScheduleInterval.Step when Form is CosineForm.Deit or CosineForm.Basic or CosineForm.MocoCifar => throw new ArgumentException(
                "per must be epoch with the forms deit, basic and moco_cifar"
            ),
            ScheduleInterval.Epoch when Form is CosineForm.Mae or CosineForm.Dino => throw new ArgumentException(
                "per must be step with the forms mae and dino"
            ),
            _ => Per,
        };

    /// <summary>Number of cosines that follow each other.</summary>
    public int Cycles { get; init; } =
        Cycles == 1 || Form is CosineForm.Timm or CosineForm.TimmPrefix
            ? Cycles
            : throw new ArgumentException("cycles need the form timm or timm_prefix");

    /// <inheritdoc/>
    public override int TotalEpochs(long stepsPerEpoch) =>
        (int)Math.Min(int.MaxValue, Math.Ceiling(Form is CosineForm.Timm or CosineForm.TimmPrefix ? Timm(1).Length : Epochs) + Cooldown);

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch)
    {
        var per = Per ?? (Form is CosineForm.Shifted or CosineForm.Mae or CosineForm.Dino ? ScheduleInterval.Step : ScheduleInterval.Epoch);
        var epoch = per == ScheduleInterval.Epoch ? step / stepsPerEpoch : step / (double)stepsPerEpoch;
        return Form switch
        {
            CosineForm.Timm or CosineForm.TimmPrefix => Timm(top).At(epoch),
            CosineForm.Deit => Timm(top).At(Math.Max(0, epoch - 1)),
            CosineForm.MocoCifar => Fallen(top, (epoch + 1) / Epochs),
            CosineForm.Basic when epoch < Warmup => top / (Warmup - epoch),
            _ when epoch < Warmup => WarmupLearningRate
                + (top - WarmupLearningRate)
                    * Math.Min(
                        1,
                        Form switch
                        {
                            CosineForm.Mae => epoch / Warmup,
                            CosineForm.Dino => step / Math.Max(1, Warmup * stepsPerEpoch - 1),
                            // The first step of a rise from zero would do nothing: a rise counts from the end of its step.
                            _ => (per == ScheduleInterval.Epoch ? epoch + 1 : (step + 1) / (double)stepsPerEpoch) / Warmup,
                        }
                    ),
            _ when epoch >= Epochs => MinLearningRate,
            _ => Fallen(top, (epoch - Warmup) / (Epochs - Warmup)),
        };
    }

    private double Fallen(double top, double share) => MinLearningRate + 0.5 * (top - MinLearningRate) * (1 + Math.Cos(Math.PI * share));

    private CosineSchedule Timm(double top) =>
        new(top, Epochs, Warmup, WarmupLearningRate, MinLearningRate, Form == CosineForm.TimmPrefix, Cycles, CycleGrowth, CycleDecay);
}

/// <summary>The same learning rate throughout, after a straight warm-up.</summary>
/// <param name="Epochs">Number of epochs, at least 1, warm-up included; or <paramref name="Steps"/>.</param>
/// <param name="Warmup">Epochs of the rise from 0, at least 0; fractions are allowed.</param>
/// <param name="Steps">Number of steps, warm-up included; or <paramref name="Epochs"/>. Training ends there, also within an epoch.</param>
[RecipeName("constant")]
public sealed record ConstantOptions(
    [Range(1, 1_000_000)] int? Epochs = null,
    [Range(0, 1e6)] double Warmup = 0,
    [Range(1, 1e12)] long? Steps = null
) : ScheduleOptions
{
    /// <summary>Number of epochs; null where the length is given in steps.</summary>
    public int? Epochs { get; init; } =
        Epochs is null == Steps is null
            ? throw new ArgumentException("a constant schedule must be { epochs: 100 } or { steps: 35000 }")
            : Epochs;

    /// <inheritdoc/>
    public override int TotalEpochs(long stepsPerEpoch) =>
        Steps is { } steps ? (int)((steps + stepsPerEpoch - 1) / stepsPerEpoch) : Epochs.GetValueOrDefault();

    /// <inheritdoc/>
    public override long TotalSteps(long stepsPerEpoch) => Steps ?? base.TotalSteps(stepsPerEpoch);

    /// <inheritdoc/>
    public override double LearningRate(double top, long step, long stepsPerEpoch) =>
        Warmup == 0 ? top : top * Math.Min(1, (step + 1) / (Warmup * stepsPerEpoch));
}
