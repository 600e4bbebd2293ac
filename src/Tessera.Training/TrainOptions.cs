using System.ComponentModel.DataAnnotations;

namespace Tessera.Training;

/// <summary>The reaction to a loss or gradient that is not finite.</summary>
public enum NonFiniteAction
{
    /// <summary>The run ends with a diagnosis.</summary>
    Stop,

    /// <summary>The step is left out: weights, averages and running statistics stay as they were before it.</summary>
    Skip,

    /// <summary>Training goes back to the newest checkpoint and goes on from there with the data that follow the bad batch.</summary>
    Rollback,
}

/// <summary>How training runs.</summary>
/// <param name="Precision">fp32, bf16, or fp16 on a GPU.</param>
/// <param name="Device">cpu, cuda or cuda:N.</param>
/// <param name="Threads">Threads per operator; 0 leaves the choice to the engine.</param>
/// <param name="Seed">Seed of weights, order and augmentation.</param>
/// <param name="ClipGrad">Largest joint norm of the gradients; none by default.</param>
/// <param name="ClipGradAdaptive">
/// Largest ratio of the norms of a unit's gradient and weights, without the classifier, for networks without norms (NFNet); none by
/// default.
/// </param>
/// <param name="ClipGradTensor">Largest norm of the gradient of each parameter by itself; none by default.</param>
/// <param name="Sam">Sharpness-aware steps; none by default.</param>
/// <param name="GradAccumSteps">Batches of the loader per step of the optimiser.</param>
/// <param name="MicroBatch">
/// Largest number of samples per pass through the model; halved automatically when memory runs out. The step is that of the whole batch.
/// </param>
/// <param name="GradCheckpointing">
/// Whether blocks keep only their input and are recomputed in the backward pass, which saves memory and takes at most a third more time.
/// </param>
/// <param name="Ema">Decay of the moving average of the weights; none by default.</param>
/// <param name="LogEvery">Steps between two lines of the log.</param>
/// <param name="CheckpointEvery">Steps between two checkpoints, besides those after evaluations.</param>
/// <param name="Keep">Newest checkpoints that are kept, besides the best.</param>
/// <param name="NonFinite">Reaction to a non-finite loss or gradient: stop, skip the step, or roll back to the newest checkpoint.</param>
/// <param name="NonFiniteLimit">Steps that are skipped in a row, or times that training rolls back, before it stops after all.</param>
/// <param name="ChannelsLast">
/// Whether convolutions use the channels-last memory format, which is faster on a GPU for mostly convolutional models. Results differ by
/// rounding.
/// </param>
/// <param name="SyncBatchNorm">Whether batch norms use the samples of all processes, as in one process, or only their own.</param>
/// <param name="EmaHalfLife">
/// Samples after which old weights count half in the moving average: its decay at a step of B samples is 0.5^(B / samples). Instead of
/// <paramref name="Ema"/>.
/// </param>
/// <param name="EmaStart">Samples up to which the moving average is a copy of the weights; 0 by default.</param>
public sealed record TrainOptions(
    Precision Precision = Precision.Fp32,
    string Device = "cpu",
    [Range(0, 1024)] int Threads = 0,
    ulong Seed = 0,
    [Range(1e-12, 1e12)] double? ClipGrad = null,
    [Range(1e-12, 1e12)] double? ClipGradAdaptive = null,
    [Range(1e-12, 1e12)] double? ClipGradTensor = null,
    SamOptions? Sam = null,
    [Range(1, 1 << 20)] int GradAccumSteps = 1,
    [Range(1, 1 << 20)] int? MicroBatch = null,
    bool GradCheckpointing = false,
    [Range(0, 0.99999999)] double? Ema = null,
    [Range(1, int.MaxValue)] int LogEvery = 50,
    [Range(1, int.MaxValue)] int? CheckpointEvery = null,
    [Range(1, 1_000_000)] int Keep = 2,
    NonFiniteAction NonFinite = NonFiniteAction.Stop,
    [Range(1, 1_000_000)] int NonFiniteLimit = 5,
    bool ChannelsLast = false,
    bool SyncBatchNorm = true,
    [Range(1, 1e15)] double? EmaHalfLife = null,
    [Range(0, 1e15)] long EmaStart = 0
)
{
    /// <summary>Samples after which old weights count half in the moving average.</summary>
    public double? EmaHalfLife { get; init; } =
        EmaHalfLife is not null && Ema is not null
            ? throw new ArgumentException("only one of ema and ema_half_life can be given")
            : EmaHalfLife;

    /// <summary>Samples up to which the moving average is a copy of the weights.</summary>
    public long EmaStart { get; init; } =
        EmaStart == 0 || (EmaHalfLife ?? Ema) is not null
            ? EmaStart
            : throw new ArgumentException("ema_start needs a moving average: ema or ema_half_life");

    /// <summary>Whether the weights are averaged.</summary>
    internal bool Averages => (Ema ?? EmaHalfLife) is not null;

    /// <summary>Share of the old average at a step.</summary>
    /// <param name="samples">Of the step, over all processes.</param>
    /// <param name="seen">Samples so far, those of the step included.</param>
    internal double EmaDecay(long samples, long seen) => seen <= EmaStart ? 0 : Ema ?? Math.Pow(0.5, samples / EmaHalfLife ?? 1);

    /// <summary>fp32, bf16, or fp16 on a GPU.</summary>
    public Precision Precision { get; init; } =
        Precision == Precision.Fp16 && Device == "cpu"
            ? throw new ArgumentException("precision fp16 needs device cuda; on the CPU, precision must be fp32 or bf16")
            : Precision;

    /// <summary>Largest norm of a unit's gradient over that of its weights.</summary>
    public double? ClipGradAdaptive { get; init; } =
        ClipGradAdaptive is not null && ClipGrad is not null
            ? throw new ArgumentException("only one of clip_grad and clip_grad_adaptive can be given")
            : ClipGradAdaptive;

    /// <summary>Largest norm of the gradient of each parameter by itself.</summary>
    public double? ClipGradTensor { get; init; } =
        ClipGradTensor is not null && (ClipGrad ?? ClipGradAdaptive) is not null
            ? throw new ArgumentException("only one of clip_grad, clip_grad_adaptive and clip_grad_tensor can be given")
            : ClipGradTensor;

    /// <summary>Sharpness-aware steps.</summary>
    public SamOptions? Sam { get; init; } =
        Sam is not null && Precision == Precision.Fp16
            ? throw new ArgumentException("sam cannot be combined with precision fp16, which scales the gradients: choose bf16")
            : Sam;

    /// <summary>cpu, cuda or cuda:N.</summary>
    public string Device { get; init; } = Valid(Device);

    private static string Valid(string device)
    {
        try
        {
            return Tessera.Device.Parse(device).ToString();
        }
        catch (FormatException error)
        {
            throw new ArgumentException(error.Message, error);
        }
    }
}
