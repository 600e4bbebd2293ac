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
public readonly struct GradMode : IDisposable
{
    private readonly OwnThread thread;
    private readonly bool before;

    internal GradMode(bool enabled)
    {
        thread = new("a region with or without gradients");
        before = Torch.GradEnabled;
        Imports.SetGradMode(enabled ? 1 : 0);
    }

    /// <summary>Leaves the region.</summary>
    /// <exception cref="InvalidOperationException">On another thread than the one that entered it.</exception>
    public void Dispose()
    {
        thread.CheckEnd();
        Imports.SetGradMode(before ? 1 : 0);
    }
}

/// <summary>A region of pure inference.</summary>
public sealed class InferenceMode : IDisposable
{
    private readonly OwnThread thread = new("a region of inference");
    private nint guard = Imports.EnterInference();

    /// <summary>Leaves the region.</summary>
    /// <exception cref="InvalidOperationException">On another thread than the one that entered it.</exception>
    public void Dispose()
    {
        if (guard == 0)
            return;
        thread.CheckEnd();
        Imports.LeaveInference(guard);
        guard = 0;
    }
}

/// <summary>A region of mixed precision.</summary>
public sealed class Autocast : IDisposable
{
    private readonly OwnThread thread = new("a region of autocast");
    private readonly int cuda;
    private readonly int wasEnabled;
    private readonly int wasType;
    private bool left;

    internal Autocast(DType type, DeviceType device, bool enabled)
    {
        cuda = device == DeviceType.Cuda ? 1 : 0;
        Dispatcher.Check(Imports.SetAutocast(cuda, enabled ? 1 : 0, (int)type, out wasEnabled, out wasType));
        Imports.AutocastEnter();
    }

    /// <summary>Leaves the region.</summary>
    /// <exception cref="InvalidOperationException">On another thread than the one that entered it.</exception>
    public void Dispose()
    {
        if (left)
            return;
        thread.CheckEnd();
        left = true;
        Imports.AutocastLeave();
        Dispatcher.Check(Imports.SetAutocast(cuda, wasEnabled, wasType, out _, out _));
    }
}
