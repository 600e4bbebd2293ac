using System.ComponentModel.DataAnnotations;

namespace Tessera.Training;

/// <summary>What happens when a loss or a gradient is infinite or no number.</summary>
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
/// <param name="Threads">Of one operator; 0 leaves the engine's choice.</param>
/// <param name="Seed">Of weights, order and augmentation.</param>
/// <param name="ClipGrad">Largest joint norm of the gradients; none by default.</param>
/// <param name="ClipGradAdaptive">Largest norm of a unit's gradient over that of its weights, the classifier left out, as networks without norms need it (NFNet); none by default.</param>
/// <param name="Sam">Sharpness-aware steps; none by default.</param>
/// <param name="GradAccumSteps">Batches of the loader to one step of the optimiser.</param>
/// <param name="MicroBatch">Samples that pass through the model at a time at most; halved by itself when the memory does not suffice. Step and result stay those of the batch.</param>
/// <param name="GradCheckpointing">Blocks keep only their input and are computed again in the backward pass: less memory, at most a third more time.</param>
/// <param name="Ema">Decay of the moving average of the weights; none by default.</param>
/// <param name="LogEvery">Steps between two lines of the log.</param>
/// <param name="CheckpointEvery">Steps between two checkpoints, besides those after evaluations.</param>
/// <param name="Keep">Newest checkpoints that are kept, besides the best.</param>
/// <param name="NonFinite">When a loss or gradient is infinite or no number: stop, skip the step, or roll back to the newest checkpoint.</param>
/// <param name="NonFiniteLimit">Steps that are skipped in a row, or times that training rolls back, before it stops after all.</param>
/// <param name="ChannelsLast">Kernels of convolutions, and with them their maps, lie with the channels together; the results are those of the usual order, within rounding. Pays on a GPU for models that are mostly convolutions.</param>
/// <param name="SyncBatchNorm">Several processes: batch norms go by the samples of all of them, as in one process; else each by its own.</param>
public sealed record TrainOptions(
    Precision Precision = Precision.Fp32,
    string Device = "cpu",
    [Range(0, 1024)] int Threads = 0,
    ulong Seed = 0,
    [Range(1e-12, 1e12)] double? ClipGrad = null,
    [Range(1e-12, 1e12)] double? ClipGradAdaptive = null,
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
    bool SyncBatchNorm = true
)
{
    /// <summary>fp32, bf16, or fp16 on a GPU.</summary>
    public Precision Precision { get; init; } =
        Precision == Precision.Fp16 && Device == "cpu"
            ? throw new ArgumentException("precision fp16 needs a GPU (device: cuda): on the CPU bf16 is the short type")
            : Precision;

    /// <summary>Largest norm of a unit's gradient over that of its weights.</summary>
    public double? ClipGradAdaptive { get; init; } =
        ClipGradAdaptive is not null && ClipGrad is not null
            ? throw new ArgumentException(
                "gradients are clipped by their joint norm (clip_grad) or unit by unit (clip_grad_adaptive), not both"
            )
            : ClipGradAdaptive;

    /// <summary>Sharpness-aware steps.</summary>
    public SamOptions? Sam { get; init; } =
        Sam is not null && Precision == Precision.Fp16
            ? throw new ArgumentException("sharpness-aware steps (sam) go by gradients that fp16 scales: choose bf16")
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
