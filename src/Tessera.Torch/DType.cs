namespace Tessera;

/// <summary>Element type of a tensor. The numbers are the engine's own (c10::ScalarType).</summary>
public enum DType
{
    /// <summary>8-bit unsigned integer.</summary>
    UInt8 = 0,

    /// <summary>8-bit signed integer.</summary>
    Int8 = 1,

    /// <summary>16-bit signed integer.</summary>
    Int16 = 2,

    /// <summary>32-bit signed integer.</summary>
    Int32 = 3,

    /// <summary>64-bit signed integer: indices and labels.</summary>
    Int64 = 4,

    /// <summary>IEEE half precision.</summary>
    Float16 = 5,

    /// <summary>IEEE single precision, the default.</summary>
    Float32 = 6,

    /// <summary>IEEE double precision.</summary>
    Float64 = 7,

    /// <summary>Two half-precision numbers.</summary>
    Complex32 = 8,

    /// <summary>Two single-precision numbers.</summary>
    Complex64 = 9,

    /// <summary>Two double-precision numbers.</summary>
    Complex128 = 10,

    /// <summary>One byte, 0 or 1.</summary>
    Bool = 11,

    /// <summary>Brain floating point: float32 without its lower 16 bits.</summary>
    BFloat16 = 15,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    /// <summary>Bytes that one element takes.</summary>
    public static int Size(this DType type) =>
        type switch
        {
            DType.UInt8 or DType.Int8 or DType.Bool => 1,
            DType.Int16 or DType.Float16 or DType.BFloat16 => 2,
            DType.Int32 or DType.Float32 or DType.Complex32 => 4,
            DType.Int64 or DType.Float64 or DType.Complex64 => 8,
            DType.Complex128 => 16,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "there is no such element type"),
        };

    /// <summary>Whether the type holds real floating-point numbers (and so can carry a gradient).</summary>
    public static bool IsFloat(this DType type) => type is DType.Float16 or DType.BFloat16 or DType.Float32 or DType.Float64;

    /// <summary>The name as PyTorch prints it without its prefix: <c>float32</c>, <c>bfloat16</c>, <c>int64</c>.</summary>
    public static string Name(this DType type) => type.ToString().ToLowerInvariant();

    /// <summary>The element type of a C# type.</summary>
    /// <exception cref="NotSupportedException">No element type corresponds to <typeparamref name="T"/>.</exception>
    public static DType Of<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(float))
            return DType.Float32;
        if (typeof(T) == typeof(double))
            return DType.Float64;
        if (typeof(T) == typeof(long))
            return DType.Int64;
        if (typeof(T) == typeof(int))
            return DType.Int32;
        if (typeof(T) == typeof(byte))
            return DType.UInt8;
        if (typeof(T) == typeof(bool))
            return DType.Bool;
        if (typeof(T) == typeof(Half))
            return DType.Float16;
        if (typeof(T) == typeof(BFloat16))
            return DType.BFloat16;
        if (typeof(T) == typeof(short))
            return DType.Int16;
        if (typeof(T) == typeof(sbyte))
            return DType.Int8;
        throw new NotSupportedException($"no element type corresponds to {typeof(T)}");
    }
}

/// <summary>A bfloat16 number as it lies in memory: the upper half of a float32.</summary>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>Widens exactly.</summary>
    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    /// <summary>Rounds to the nearest, ties to even; NaN stays NaN.</summary>
    public static explicit operator BFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? new((ushort)((bits >> 16) | 0x40)) : new((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }
}
