using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera;

/// <summary>The engine: functions that are not a tensor's own, modes, random state, threads and figures.</summary>
public static unsafe partial class Torch
{
    /// <summary>Opens a scope: tensors made until it ends are freed then. See <see cref="Tessera.Scope"/>.</summary>
    public static Scope Scope() => new();

    /// <summary>Runs the body in a scope of its own and hands its result on.</summary>
    public static T Scope<T>(Func<T> body)
    {
        using var scope = Tessera.Scope.OfCall();
        return scope.Return(body());
    }

    /// <summary>Lets the garbage collector find dropped tensors and frees their memory now.</summary>
    public static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Tensor.FreeQueued();
    }

    /// <summary>Version of the libtorch in use, as in <c>1.13.1</c>.</summary>
    public static string Version => Marshal.PtrToStringUTF8(Imports.TorchVersion())!;

    /// <summary>How the engine was built, with which libraries, and its threads: text of several lines.</summary>
    public static string BuildInfo
    {
        get
        {
            Dispatcher.Check(Imports.BuildInfo(out var text));
            return Imports.TakeString(text);
        }
    }

    /// <summary>Whether the engine has oneDNN.</summary>
    public static bool HasOneDnn => Imports.HasMkldnn() != 0;

    /// <summary>
    /// The core whose kernels OpenBLAS runs on this processor where <c>OPENBLAS_CORETYPE</c> is not set, if they are better than those of
    /// another core; null if they are not.
    /// </summary>
    /// <param name="core">The other core, as OpenBLAS names it.</param>
    internal static string? BetterBlasCore(string core) => BlasCore.Unforced(core, BlasCore.Features.Here);

    /// <summary>
    /// Threads that one operator spreads over, on every thread of the process. By default the least of the processors that affinity
    /// allows, the quota of the control group and <c>OMP_NUM_THREADS</c>.
    /// </summary>
    public static int Threads
    {
        get => EngineThreads.Count;
        set => EngineThreads.Count = value;
    }

    /// <summary>Threads between operators (asynchronous ones); can be set once, before the first is used.</summary>
    public static void SetInteropThreads(int count) => Dispatcher.Check(Imports.SetInteropThreads(count));

    /// <summary>Whether operators without a deterministic kernel are refused.</summary>
    public static bool Deterministic
    {
        get => Imports.Deterministic() != 0;
        set => Dispatcher.Check(Imports.SetDeterministic(value ? 1 : 0, 0));
    }

    /// <summary>Sets whether CUDA may compute float32 products in tf32; off by default.</summary>
    public static void AllowTf32(bool allowed) => Dispatcher.Check(Imports.SetTf32(allowed ? 1 : 0));

    /// <summary>Returns memory that the process holds but does not use to the system.</summary>
    public static void ReleaseFreedMemory() => Imports.ReleaseFreedMemory();

    /// <summary>Seeds the default generators of the CPU and of all CUDA devices.</summary>
    public static void Seed(ulong seed)
    {
        using (var cpu = Generator.Default(Device.Cpu))
            cpu.Seed(seed);
        for (var i = 0; i < Cuda.Count; i++)
        {
            using var cuda = Generator.Default(new Device(DeviceType.Cuda, i));
            cuda.Seed(seed);
        }
    }

    /// <summary>Whether the engine has an operator, as in <c>aten::scaled_dot_product_attention</c>.</summary>
    public static bool HasOperator(string name, string overload = "")
    {
        var status = Imports.Operator(name, overload, out _);
        if (status == 0)
            return true;
        if ((ErrorKind)status == ErrorKind.UnknownOperator)
            return false;
        Dispatcher.Check(status);
        return false;
    }

    /// <summary>The schemas of all registered operators.</summary>
    public static string[] AllSchemas()
    {
        Dispatcher.Check(Imports.AllSchemas(out var text));
        return Imports.TakeString(text).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>A tensor of uniform draws between two bounds.</summary>
    public static Tensor Uniform(IntList size, double low, double high, DType? dtype = null) => Empty(size, dtype).Uniform_(low, high);
}
