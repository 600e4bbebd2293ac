using Tessera.Native;

namespace Tessera;

/// <summary>CUDA devices, where the libtorch in use has them.</summary>
public static class Cuda
{
    /// <summary>Number of devices; 0 without CUDA.</summary>
    public static int Count
    {
        get
        {
            Dispatcher.Check(Imports.CudaDevices(out var count));
            return count;
        }
    }

    /// <summary>Whether there is a device.</summary>
    public static bool IsAvailable => Count > 0;

    /// <summary>Waits until a device has finished all its work.</summary>
    public static void Synchronize(int device = 0) => Dispatcher.Check(Imports.CudaSynchronize(device));

    /// <summary>Memory of a device in bytes: in use, at the peak since the last reset, and reserved.</summary>
    public static (long Allocated, long Peak, long Reserved) Memory(int device = 0)
    {
        Dispatcher.Check(Imports.CudaMemory(device, out var allocated, out var peak, out var reserved));
        return (allocated, peak, reserved);
    }

    /// <summary>Resets the peak to the memory in use.</summary>
    public static void ResetPeak(int device = 0) => Dispatcher.Check(Imports.CudaResetPeak(device));

    /// <summary>Returns reserved but unused memory to the device.</summary>
    public static void EmptyCache() => Dispatcher.Check(Imports.CudaEmptyCache());
}
