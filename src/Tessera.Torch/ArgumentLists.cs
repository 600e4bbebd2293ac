using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera;

/// <summary>Handles of a list of tensors for the duration of a call.</summary>
internal readonly unsafe ref struct TensorList
{
    private readonly nint* handles;
    private readonly int count;

    internal TensorList(IReadOnlyList<Tensor?>? tensors)
    {
        if (tensors is null)
            return;
        count = tensors.Count;
        handles = (nint*)NativeMemory.Alloc((nuint)Math.Max(1, count), (nuint)sizeof(nint));
        for (var i = 0; i < count; i++)
            handles[i] = tensors[i]?.Handle ?? 0;
    }

    internal nint* Handles => handles;
    internal int Count => count;
    internal Value Value => Native.Value.List(handles is null ? Tag.None : Tag.TensorList, handles, count);

    public void Dispose() => NativeMemory.Free(handles);
}

/// <summary>Numbers of mixed kinds for the duration of a call.</summary>
internal readonly unsafe ref struct ScalarList
{
    private readonly GCHandle pin;
    private readonly int count;

    internal ScalarList(IReadOnlyList<Scalar>? values)
    {
        if (values is null)
            return;
        pin = GCHandle.Alloc(values.Select(value => Native.Value.Of(value)).ToArray(), GCHandleType.Pinned);
        count = values.Count;
    }

    internal Value Value => pin.IsAllocated ? Native.Value.List(Tag.ScalarList, (void*)pin.AddrOfPinnedObject(), count) : default;

    public void Dispose()
    {
        if (pin.IsAllocated)
            pin.Free();
    }
}
