using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>
/// Packed weights and other constants of a compiled model. Plans for different sizes of images share those that are equal, and each is freed
/// with the last plan that uses it.
/// </summary>
internal sealed unsafe class ConstantPool
{
    private readonly Lock gate = new();
    private readonly Dictionary<(string Content, long Depth, long Columns, bool Half), (nint Block, int Uses)> blocks = [];

    /// <summary>Memory with a content, made by <paramref name="fill"/> where no plan has it yet.</summary>
    internal nint Take((string Content, long Depth, long Columns, bool Half) key, Func<nint> fill)
    {
        lock (gate)
        {
            var (block, uses) = blocks.TryGetValue(key, out var found) ? found : (fill(), 0);
            blocks[key] = (block, uses + 1);
            return block;
        }
    }

    internal void Release(IEnumerable<(string Content, long Depth, long Columns, bool Half)> keys)
    {
        lock (gate)
            foreach (var key in keys)
            {
                var (block, uses) = blocks[key];
                if (uses > 1)
                {
                    blocks[key] = (block, uses - 1);
                    continue;
                }
                blocks.Remove(key);
                NativeMemory.AlignedFree((void*)block);
            }
    }
}

/// <summary>The constants of one plan, given back together.</summary>
internal sealed unsafe class Constants(ConstantPool pool) : IDisposable
{
    private readonly List<(string Content, long Depth, long Columns, bool Half)> taken = [];

    private static nint Allocate(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(64, bytes), 64);

    private nint Take<T>(ReadOnlySpan<T> content, long depth, long columns, bool half, Func<nint> fill)
        where T : unmanaged
    {
        var hash = Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(content)));
        var key = ($"{typeof(T).Name} {content.Length} {hash}", depth, columns, half);
        var block = pool.Take(key, fill);
        taken.Add(key);
        return block;
    }

    private nint Copied<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var padded = (values.Length + 15) / 16 * 16;
        var block = Allocate(padded * sizeof(T));
        var target = new Span<T>((void*)block, padded);
        target.Clear();
        values.CopyTo(target);
        return block;
    }

    /// <summary>Values as float32, dense in row-major order, with room for whole vectors behind them.</summary>
    internal nint Floats(float[] values) => Take<float>(values, 0, 0, false, () => Copied<float>(values));

    /// <summary>Positions in memory.</summary>
    internal nint Offsets(long[] values) => Take<long>(values, 0, 0, false, () => Copied<long>(values));

    /// <summary>A constant tensor as float32.</summary>
    internal Located Floats(Tensor tensor)
    {
        var sizes = tensor.Shape.AsSpan().ToArray();
        return new(null, Floats(tensor.ToArray<float>()), 0, sizes, Order.RowMajor(sizes), DType.Float32);
    }

    /// <summary>Weights [columns, depth] packed for the kernels of this processor.</summary>
    internal nint Packed(float[] weights, long depth, long columns, bool half) =>
        Take<float>(weights, depth, columns, half, () => Pack(weights, depth, columns, half));

    private static nint Pack(float[] weights, long depth, long columns, bool half)
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
        pool.Release(taken);
        taken.Clear();
        GC.SuppressFinalize(this);
    }

    ~Constants() => Dispose();
}
