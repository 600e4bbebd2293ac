using System.Diagnostics;

namespace Tessera.Cli.Machine;

/// <summary>How fast the machine multiplies matrices: the mark that a training is compared with.</summary>
internal static class PeakMeasurement
{
    // Long enough for clocks and threads to settle, and large enough not to measure the way to the kernel.
    private const int Largest = 2048;
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(0.7);

    /// <summary>The best of several products of square matrices, in 10^9 floating-point operations a second.</summary>
    /// <param name="type">float32 or bfloat16.</param>
    /// <param name="device">Where.</param>
    internal static double Gflops(DType type, Device device)
    {
        using var outside = Torch.NoGrad();
        var best = 0.0;
        // Where a type has no kernel worth the name, a large product would take minutes.
        for (var size = 128; size <= Largest; size *= 2)
        {
            using var scope = new Scope();
            var (a, b) = (Matrix(size, type, device), Matrix(size, type, device));
            // Linear maps have kernels of our own in float32, products in general the library's: the peak is the faster of both.
            Func<Tensor>[] products = [() => a.Matmul(b), () => Torch.Linear(a, b)];
            var operations = 2.0 * size * size * size;
            var budget = size == Largest ? Budget : Budget / 20;
            foreach (var product in products)
            {
                var started = Stopwatch.GetTimestamp();
                do
                {
                    best = Math.Max(best, operations / Seconds(product, device));
                } while (Stopwatch.GetElapsedTime(started) < budget / products.Length);
            }
            if (8 * operations / best > Budget.TotalSeconds * 4)
                break;
        }
        return best / 1e9;
    }

    // No random numbers: a training that measures would go on with others than one that finds the peak in the cache.
    private static Tensor Matrix(int size, DType type, Device device) =>
        (Torch.Arange(size * size, dtype: DType.Float32) * 0.7).Sin().Reshape(size, size).To(type).To(device);

    private static double Seconds(Func<Tensor> product, Device device)
    {
        using var scope = new Scope();
        var started = Stopwatch.GetTimestamp();
        product();
        if (device.Type == DeviceType.Cuda)
            Cuda.Synchronize(Math.Max(0, device.Index));
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
