using System.Runtime.InteropServices;
using System.Text;

namespace Tessera.Native;

/// <summary>Kinds of values that cross to the dispatcher; mirrors <c>Tag</c> in native/tessera.h.</summary>
internal enum Tag
{
    Default,
    None,
    Tensor,
    Int,
    Double,
    Bool,
    String,
    IntList,
    DoubleList,
    BoolList,
    TensorList,
    Device,
    Generator,
    ScalarList,
    Complex,
    StringList,
}

/// <summary>One argument or result of an operator; mirrors <c>Value</c> in native/tessera.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Value
{
    internal long Payload;
    internal Tag Tag;
    internal int Count;

    private static Value Make(Tag tag, long payload, int count = 0) =>
        new()
        {
            Tag = tag,
            Payload = payload,
            Count = count,
        };

    internal static Value Of(Tensor? tensor) => tensor is null ? Make(Tag.None, 0) : Make(Tag.Tensor, tensor.Handle);

    internal static Value Of(long value) => Make(Tag.Int, value);

    internal static Value Of(long? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(double value) => Make(Tag.Double, BitConverter.DoubleToInt64Bits(value));

    internal static Value Of(double? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(bool value) => Make(Tag.Bool, value ? 1 : 0);

    internal static Value Of(bool? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(Scalar value) => Make(value.Kind, value.Payload);

    internal static Value Of(Scalar? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(DType value) => Make(Tag.Int, (long)value);

    internal static Value Of(DType? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(Layout? value, Tag missing = Tag.Default) => value is { } v ? Of((long)v) : Make(missing, 0);

    internal static Value Of(MemoryFormat value) => Make(Tag.Int, (long)value);

    internal static Value Of(MemoryFormat? value, Tag missing = Tag.Default) => value is { } v ? Of((long)v) : Make(missing, 0);

    internal static Value Of(Device value) => Make(Tag.Device, value.Packed);

    internal static Value Of(Device? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(Generator? value, Tag missing = Tag.None) =>
        value is null ? Make(missing, 0) : Make(Tag.Generator, value.Handle);

    /// <summary>A list that lies on the caller's stack for as long as the call lasts.</summary>
    internal static Value Of(IntList* list, Tag missing = Tag.Default) =>
        list->HasValue ? Make(Tag.IntList, (long)list->Pointer, list->Count) : Make(missing, 0);

    internal static Value List(Tag tag, void* data, int count) => Make(tag, (long)data, count);

    internal readonly Tensor TakeTensor() => new((nint)Payload);

    internal readonly Tensor[] TakeTensors()
    {
        var result = new Tensor[Count];
        for (var i = 0; i < Count; i++)
            result[i] = new Tensor(((nint*)Payload)[i]);
        Imports.Free((void*)Payload);
        return result;
    }

    internal readonly Scalar TakeScalar()
    {
        if (Tag != Tag.Complex)
            return new(Tag, Payload);
        Imports.Free((void*)Payload);
        throw new TorchNotSupportedException("complex numbers have no scalar here: take the real and the imaginary part first");
    }

    internal readonly bool TakeBool() => Payload != 0;

    internal readonly long TakeInt() => Payload;

    internal readonly double TakeDouble() => BitConverter.Int64BitsToDouble(Payload);

    internal readonly string TakeString()
    {
        var result = Encoding.UTF8.GetString((byte*)Payload, Count);
        Imports.Free((void*)Payload);
        return result;
    }

    internal readonly T[] TakeList<T>()
        where T : unmanaged
    {
        var result = new Span<T>((void*)Payload, Count).ToArray();
        Imports.Free((void*)Payload);
        return result;
    }
}

/// <summary>A string in UTF-8 for the duration of a call.</summary>
internal readonly unsafe ref struct Utf8
{
    private readonly GCHandle pin;
    private readonly int count;

    internal Utf8(string? text)
    {
        if (text is null)
            return;
        var bytes = Encoding.UTF8.GetBytes(text);
        pin = GCHandle.Alloc(bytes, GCHandleType.Pinned);
        count = bytes.Length;
    }

    internal Value Value =>
        Native.Value.List(pin.IsAllocated ? Tag.String : Tag.None, pin.IsAllocated ? (void*)pin.AddrOfPinnedObject() : null, count);

    public void Dispose()
    {
        if (pin.IsAllocated)
            pin.Free();
    }
}

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

/// <summary>Floating-point numbers for the duration of a call.</summary>
internal readonly unsafe ref struct DoubleList
{
    private readonly GCHandle pin;
    private readonly int count;

    internal DoubleList(double[]? values)
    {
        if (values is null)
            return;
        pin = GCHandle.Alloc(values, GCHandleType.Pinned);
        count = values.Length;
    }

    internal Value Value => pin.IsAllocated ? Native.Value.List(Tag.DoubleList, (void*)pin.AddrOfPinnedObject(), count) : default;

    public void Dispose()
    {
        if (pin.IsAllocated)
            pin.Free();
    }
}

/// <summary>Truth values for the duration of a call.</summary>
internal readonly unsafe ref struct BoolList
{
    private readonly GCHandle pin;
    private readonly int count;

    internal BoolList(bool[]? values)
    {
        if (values is null)
            return;
        pin = GCHandle.Alloc(Array.ConvertAll(values, v => v ? (byte)1 : (byte)0), GCHandleType.Pinned);
        count = values.Length;
    }

    internal Value Value => pin.IsAllocated ? Native.Value.List(Tag.BoolList, (void*)pin.AddrOfPinnedObject(), count) : default;

    public void Dispose()
    {
        if (pin.IsAllocated)
            pin.Free();
    }
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
        pin = GCHandle.Alloc(values.Select(Native.Value.Of).ToArray(), GCHandleType.Pinned);
        count = values.Count;
    }

    internal Value Value => pin.IsAllocated ? Native.Value.List(Tag.ScalarList, (void*)pin.AddrOfPinnedObject(), count) : default;

    public void Dispose()
    {
        if (pin.IsAllocated)
            pin.Free();
    }
}
