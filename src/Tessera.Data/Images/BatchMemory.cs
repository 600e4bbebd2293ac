using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Tessera.Data.Images;

/// <summary>Pinned memory for batches, used again once the engine has let go of it.</summary>
internal sealed class BatchMemory
{
    private readonly ConcurrentDictionary<int, ConcurrentBag<float[]>> free = new();

    internal float[] Rent(int length) =>
        free.TryGetValue(length, out var bag) && bag.TryTake(out var memory)
            ? memory
            : GC.AllocateUninitializedArray<float>(length, pinned: true);

    internal void Return(float[] memory) => free.GetOrAdd(memory.Length, _ => []).Add(memory);

    /// <summary>A tensor over rented memory, which comes back when the engine frees the tensor.</summary>
    internal unsafe Tensor Wrap(float[] memory, params ReadOnlySpan<long> shape) =>
        Tensor.Over((void*)Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0), shape, DType.Float32, () => Return(memory));
}
