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

    internal static Value Make(Tag tag, long payload, int count = 0) =>
        new()
        {
            Tag = tag,
            Payload = payload,
            Count = count,
        };

    internal static Value Of(long value) => Make(Tag.Int, value);

    internal static Value Of(long? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(double value) => Make(Tag.Double, BitConverter.DoubleToInt64Bits(value));

    internal static Value Of(double? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value Of(bool value) => Make(Tag.Bool, value ? 1 : 0);

    internal static Value Of(bool? value, Tag missing = Tag.Default) => value is { } v ? Of(v) : Make(missing, 0);

    internal static Value List(Tag tag, void* data, int count) => Make(tag, (long)data, count);

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
