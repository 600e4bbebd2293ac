using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>Memory of packed weights and other constants of a compiled model, freed together.</summary>
internal sealed unsafe class Constants : IDisposable
{
    private readonly List<nint> blocks = [];

    internal nint Allocate(long bytes)
    {
        var block = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(64, bytes), 64);
        blocks.Add(block);
        return block;
    }

    /// <summary>Values as float32, dense in row-major order, with room for whole vectors behind them.</summary>
    internal nint Floats(ReadOnlySpan<float> values)
    {
        var padded = (values.Length + 15) / 16 * 16;
        var block = Allocate(padded * sizeof(float));
        var target = new Span<float>((void*)block, padded);
        target.Clear();
        values.CopyTo(target);
        return block;
    }

    /// <summary>A constant tensor as float32.</summary>
    internal Located Floats(Tensor tensor)
    {
        var sizes = tensor.Shape.AsSpan().ToArray();
        return new(null, Floats(tensor.ToArray<float>()), 0, sizes, Order.RowMajor(sizes), DType.Float32);
    }

    /// <summary>Weights [columns, depth] packed for the kernels of this processor.</summary>
    internal nint Packed(float[] weights, long depth, long columns, bool half)
    {
        var type = half ? 1 : 0;
        fixed (float* values = weights)
        {
            Dispatcher.Check(KernelImports.Pack(values, 1, depth, depth, columns, type, null, out var bytes));
            var block = Allocate(bytes);
            Dispatcher.Check(KernelImports.Pack(values, 1, depth, depth, columns, type, (void*)block, out _));
            return block;
        }
    }

    public void Dispose()
    {
        foreach (var block in blocks)
            NativeMemory.AlignedFree((void*)block);
        blocks.Clear();
        GC.SuppressFinalize(this);
    }

    ~Constants() => Dispose();
}
