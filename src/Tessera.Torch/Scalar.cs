using System.Globalization;
using Tessera.Native;

namespace Tessera;

/// <summary>A number as operators take it: an integer, a floating-point number or a truth value.</summary>
public readonly struct Scalar : IEquatable<Scalar>
{
    internal readonly Tag Kind;
    internal readonly long Payload;

    internal Scalar(Tag kind, long payload)
    {
        Kind = kind;
        Payload = payload;
    }

    /// <summary>An integer.</summary>
    public static implicit operator Scalar(long value) => new(Tag.Int, value);

    /// <summary>An integer.</summary>
    public static implicit operator Scalar(int value) => new(Tag.Int, value);

    /// <summary>A floating-point number.</summary>
    public static implicit operator Scalar(double value) => new(Tag.Double, BitConverter.DoubleToInt64Bits(value));

    /// <summary>A truth value.</summary>
    public static implicit operator Scalar(bool value) => new(Tag.Bool, value ? 1 : 0);

    /// <summary>The number as a double.</summary>
    public double ToDouble() => Kind == Tag.Double ? BitConverter.Int64BitsToDouble(Payload) : Payload;

    /// <summary>The number as an integer; a fraction is cut off.</summary>
    public long ToInt64() => Kind == Tag.Double ? checked((long)BitConverter.Int64BitsToDouble(Payload)) : Payload;

    /// <summary>Whether the number is not zero.</summary>
    public bool ToBoolean() => Kind == Tag.Double ? ToDouble() != 0 : Payload != 0;

    /// <summary>The number as a double.</summary>
    public static explicit operator double(Scalar value) => value.ToDouble();

    /// <summary>The number as a float.</summary>
    public static explicit operator float(Scalar value) => (float)value.ToDouble();

    /// <summary>The number as an integer.</summary>
    public static explicit operator long(Scalar value) => value.ToInt64();

    /// <summary>The number as an integer.</summary>
    public static explicit operator int(Scalar value) => checked((int)value.ToInt64());

    /// <summary>Whether the number is not zero.</summary>
    public static explicit operator bool(Scalar value) => value.ToBoolean();

    /// <inheritdoc/>
    public bool Equals(Scalar other) => Kind == other.Kind && Payload == other.Payload;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Scalar other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, Payload);

    /// <summary>Same kind and same bits.</summary>
    public static bool operator ==(Scalar left, Scalar right) => left.Equals(right);

    /// <summary>Another kind or other bits.</summary>
    public static bool operator !=(Scalar left, Scalar right) => !left.Equals(right);

    /// <inheritdoc/>
    public override string ToString() =>
        Kind switch
        {
            Tag.Double => ToDouble().ToString("R", CultureInfo.InvariantCulture),
            Tag.Bool => Payload != 0 ? "true" : "false",
            _ => Payload.ToString(CultureInfo.InvariantCulture),
        };
}
