using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>
/// Packed weights and other constants of a compiled model. Plans for different sizes of images share those that are equal, and each is
/// freed with the last plan that uses it.
/// </summary>
internal sealed unsafe class ConstantPool
{
    private readonly Lock gate = new();
    private readonly Dictionary<(string Content, long Depth, long Columns, bool Half), (Memory Memory, int Uses)> blocks = [];

    /// <summary>Bytes of all that it holds.</summary>
    internal long Bytes
    {
        get
        {
            lock (gate)
                return blocks.Values.Sum(one => one.Memory.Bytes);
        }
    }

    /// <summary>Memory with a content, made by <paramref name="fill"/> where no plan has it yet.</summary>
    internal nint Take((string Content, long Depth, long Columns, bool Half) key, Func<Memory> fill)
    {
        lock (gate)
        {
            if (!blocks.TryGetValue(key, out var found))
            {
                found = (fill(), 0);
                // What is packed was an array before, and those are large: they shall go as this memory comes.
                GC.AddMemoryPressure(found.Memory.Bytes);
            }
            blocks[key] = (found.Memory, found.Uses + 1);
            return found.Memory.Address;
        }
    }

    internal void Release(IEnumerable<(string Content, long Depth, long Columns, bool Half)> keys)
    {
        lock (gate)
            foreach (var key in keys)
            {
                var (memory, uses) = blocks[key];
                if (uses > 1)
                {
                    blocks[key] = (memory, uses - 1);
                    continue;
                }
                blocks.Remove(key);
                NativeMemory.AlignedFree((void*)memory.Address);
                GC.RemoveMemoryPressure(memory.Bytes);
            }
    }

    /// <summary>Memory outside of the garbage collector's.</summary>
    internal readonly record struct Memory(nint Address, long Bytes)
    {
        internal static Memory Allocate(long bytes)
        {
            var rounded = Math.Max(64, bytes);
            return new((nint)NativeMemory.AlignedAlloc((nuint)rounded, 64), rounded);
        }
    }
}

/// <summary>The constants of one plan, given back together.</summary>
internal sealed unsafe class Constants(ConstantPool pool) : IDisposable
{
    private readonly List<(string Content, long Depth, long Columns, bool Half)> taken = [];

    private nint Take<T>(ReadOnlySpan<T> content, long depth, long columns, bool half, Func<ConstantPool.Memory> fill)
        where T : unmanaged
    {
        var hash = Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(content)));
        var key = ($"{typeof(T).Name} {content.Length} {hash}", depth, columns, half);
        var block = pool.Take(key, fill);
        taken.Add(key);
        return block;
    }

    private static ConstantPool.Memory Copied<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var padded = (values.Length + 15) / 16 * 16;
        var block = ConstantPool.Memory.Allocate(padded * sizeof(T));
        var target = new Span<T>((void*)block.Address, padded);
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

    private static ConstantPool.Memory Pack(float[] weights, long depth, long columns, bool half)
    {
        var type = half ? 1 : 0;
        fixed (float* values = weights)
        {
            Dispatcher.Check(KernelImports.Pack(values, 1, depth, depth, columns, type, null, out var bytes));
            var block = ConstantPool.Memory.Allocate(bytes);
            Dispatcher.Check(KernelImports.Pack(values, 1, depth, depth, columns, type, (void*)block.Address, out _));
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
