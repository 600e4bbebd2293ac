using System.Runtime.CompilerServices;
using Tessera.Testing;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Tessera.Tests.Devices;

/// <summary>The device of these tests: a GPU where there is one, else the processor in the guise of one.</summary>
internal static class OnDevice
{
    /// <summary>Why there is none; null where there is.</summary>
    internal static string? Missing { get; private set; }

    /// <summary>Whether it is the twin.</summary>
    internal static bool IsTwin { get; private set; }

    /// <summary>Why there is no twin; null where there is.</summary>
    internal static string? MissingTwin => Missing ?? (IsTwin ? null : "there is a GPU");

    // Before anything is differentiated in this process.
    [ModuleInitializer]
    internal static void Load()
    {
        try
        {
            IsTwin = Twin.Load();
            Torch.Threads = 1;
        }
        catch (DllNotFoundException)
        {
            Missing = "libtorch has CUDA but finds no GPU, so there is neither a GPU nor a twin of one";
        }
    }
}

/// <summary>A test that needs the device.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class DeviceFactAttribute : FactAttribute
{
    public DeviceFactAttribute() => Skip = OnDevice.Missing;
}

/// <summary>A test of several cases that needs the device.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class DeviceTheoryAttribute : TheoryAttribute
{
    public DeviceTheoryAttribute() => Skip = OnDevice.Missing;
}

/// <summary>A test of what only the twin promises.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TwinFactAttribute : FactAttribute
{
    public TwinFactAttribute() => Skip = OnDevice.MissingTwin;
}

/// <summary>A test of several cases of what only the twin promises.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TwinTheoryAttribute : TheoryAttribute
{
    public TwinTheoryAttribute() => Skip = OnDevice.MissingTwin;
}
