using Tessera.Native;

namespace Tessera;

public static partial class Torch
{
    /// <summary>Whether operations are recorded for gradients on this thread.</summary>
    public static bool GradEnabled => Imports.GradMode() != 0;

    /// <summary>No operation is recorded for gradients until the mode is left.</summary>
    public static GradMode NoGrad() => new(false);

    /// <summary>Operations are recorded for gradients until the mode is left, also inside of no-grad.</summary>
    public static GradMode EnableGrad() => new(true);

    /// <summary>
    /// Keeps neither gradients nor version counters until the mode ends: the fastest way to predict. Tensors made in this mode can
    /// never take part in a graph.
    /// </summary>
    public static InferenceMode Inference() => new();

    /// <summary>Products and convolutions run in a shorter type until the mode is left; sums, norms and losses stay in float32.</summary>
    /// <param name="type">bfloat16 (CPU and CUDA) or float16 (CUDA).</param>
    /// <param name="device">Kind of device it holds for.</param>
    /// <param name="enabled">False switches autocast off inside of an enclosing region.</param>
    public static Autocast Autocast(DType type = DType.BFloat16, DeviceType device = DeviceType.Cpu, bool enabled = true) =>
        new(type, device, enabled);

    /// <summary>The type that autocast shortens to on a kind of device; null where it is off.</summary>
    public static DType? AutocastType(DeviceType device)
    {
        var cuda = device == DeviceType.Cuda ? 1 : 0;
        Dispatcher.Check(Imports.SetAutocast(cuda, 0, (int)DType.BFloat16, out var enabled, out var type));
        Dispatcher.Check(Imports.SetAutocast(cuda, enabled, type, out _, out _));
        return enabled != 0 ? (DType)type : null;
    }
}

/// <summary>A region in which gradients are recorded or not.</summary>
public sealed class GradMode : ThreadRegion
{
    private readonly bool enabled;
    private bool before;

    internal GradMode(bool enabled)
        : base("a region with or without gradients")
    {
        this.enabled = enabled;
        Begin();
    }

    private protected override void Enter()
    {
        before = Torch.GradEnabled;
        Imports.SetGradMode(enabled ? 1 : 0);
    }

    private protected override void Leave() => Imports.SetGradMode(before ? 1 : 0);
}

/// <summary>A region of pure inference.</summary>
public sealed class InferenceMode : ThreadRegion
{
    private nint guard;

    internal InferenceMode()
        : base("a region of inference") => Begin();

    private protected override void Enter() => guard = Imports.EnterInference();

    private protected override void Leave() => Imports.LeaveInference(guard);
}

/// <summary>A region of mixed precision.</summary>
public sealed class Autocast : ThreadRegion
{
    private readonly int cuda;
    private readonly int enabled;
    private readonly int type;
    private int wasEnabled;
    private int wasType;

    internal Autocast(DType type, DeviceType device, bool enabled)
        : base("a region of autocast")
    {
        cuda = device == DeviceType.Cuda ? 1 : 0;
        this.enabled = enabled ? 1 : 0;
        this.type = (int)type;
        Begin();
    }

    private protected override void Enter()
    {
        Dispatcher.Check(Imports.SetAutocast(cuda, enabled, type, out wasEnabled, out wasType));
        Imports.AutocastEnter();
    }

    private protected override void Leave()
    {
        Imports.AutocastLeave();
        Dispatcher.Check(Imports.SetAutocast(cuda, wasEnabled, wasType, out _, out _));
    }
}
