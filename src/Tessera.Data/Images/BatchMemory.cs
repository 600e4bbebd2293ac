using System.Runtime.InteropServices;

namespace Tessera.Data.Images;

/// <summary>
/// Pinned memory for batches, used again once the engine has let go of it. Where batches differ in size, it holds no more pieces than were
/// in use at once: sizes that were seen once leave nothing behind.
/// </summary>
internal sealed class BatchMemory
{
    private readonly Lock gate = new();
    private readonly List<float[]> free = [];

    /// <summary>Memory for some values: it may hold up to twice as many.</summary>
    internal float[] Rent(int length)
    {
        lock (gate)
        {
            var best = -1;
            for (var i = 0; i < free.Count; i++)
                if (free[i].Length >= length && free[i].Length / 2 <= length && (best < 0 || free[i].Length < free[best].Length))
                    best = i;
            // What fits nothing gives way to what is made now, the oldest first.
            var place = Math.Max(best, 0);
            var memory = best < 0 ? null : free[best];
            if (place < free.Count)
                free.RemoveAt(place);
            if (memory is not null)
                return memory;
        }
        return GC.AllocateUninitializedArray<float>(length, pinned: true);
    }

    internal void Return(float[] memory)
    {
        lock (gate)
            free.Add(memory);
    }

    /// <summary>A tensor over rented memory, which comes back when the engine frees the tensor.</summary>
    internal unsafe Tensor Wrap(float[] memory, params ReadOnlySpan<long> shape) =>
        Tensor.Over((void*)Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0), shape, DType.Float32, () => Return(memory));
}
