using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Data.Imaging;

/// <summary>Bytes in vectors: eight at a time in wider arithmetic, tables of all 256 values.</summary>
internal static class Lanes
{
    /// <summary>Bytes that <see cref="Load"/> and <see cref="Store"/> move.</summary>
    internal const int Count = 8;

    /// <summary>Eight bytes as integers. The caller sees to the bounds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> Load(ref byte source, int start)
    {
        var words = Vector128.WidenLower(Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref source, start))).AsByte());
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsInt32();
    }

    /// <summary>Eight integers from 0 to 255 as bytes. The caller sees to the bounds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector256<int> values, ref byte target, int start)
    {
        var words = Vector128.Narrow(values.GetLower(), values.GetUpper()).AsUInt16();
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, start), Vector128.Narrow(words, Vector128<ushort>.Zero).AsUInt64().ToScalar());
    }

    /// <summary>Replaces every value by its entry in a table of 256.</summary>
    internal static void Look(Span<byte> values, ReadOnlySpan<byte> table)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(table.Length, 256);
        ref var first = ref MemoryMarshal.GetReference(values);
        ref var entries = ref MemoryMarshal.GetReference(table);
        var i = 0;
        if (Avx512Vbmi.IsSupported)
        {
            var (a, b) = (Vector512.LoadUnsafe(ref entries), Vector512.LoadUnsafe(ref entries, 64));
            var (c, d) = (Vector512.LoadUnsafe(ref entries, 128), Vector512.LoadUnsafe(ref entries, 192));
            for (; i <= values.Length - 64; i += 64)
            {
                // Either half of the table answers to the lower seven bits; the eighth chooses.
                var index = Vector512.LoadUnsafe(ref first, (nuint)i);
                var upper = Vector512.LessThan(index.AsSByte(), Vector512<sbyte>.Zero).AsByte();
                Vector512
                    .ConditionalSelect(upper, Avx512Vbmi.PermuteVar64x8x2(c, index, d), Avx512Vbmi.PermuteVar64x8x2(a, index, b))
                    .StoreUnsafe(ref first, (nuint)i);
            }
        }
        for (; i < values.Length; i++)
        {
            ref var value = ref Unsafe.Add(ref first, i);
            value = Unsafe.Add(ref entries, value);
        }
    }

    /// <summary>The smallest and the largest value.</summary>
    internal static (byte Low, byte High) Range(ReadOnlySpan<byte> values)
    {
        var (low, high) = ((byte)255, (byte)0);
        ref var first = ref MemoryMarshal.GetReference(values);
        var i = 0;
        if (values.Length >= Vector256<byte>.Count)
        {
            var (lows, highs) = (Vector256<byte>.AllBitsSet, Vector256<byte>.Zero);
            for (; i <= values.Length - Vector256<byte>.Count; i += Vector256<byte>.Count)
            {
                var next = Vector256.LoadUnsafe(ref first, (nuint)i);
                (lows, highs) = (Vector256.Min(lows, next), Vector256.Max(highs, next));
            }
            for (var lane = 0; lane < Vector256<byte>.Count; lane++)
                (low, high) = (Math.Min(low, lows[lane]), Math.Max(high, highs[lane]));
        }
        for (; i < values.Length; i++)
            (low, high) = (Math.Min(low, values[i]), Math.Max(high, values[i]));
        return (low, high);
    }

    /// <summary>Pixels of three bytes into a plane for each; all planes are as long as there are pixels.</summary>
    internal static void Split(ReadOnlySpan<byte> pixels, Span<byte> first, Span<byte> second, Span<byte> third)
    {
        if (pixels.Length != 3 * first.Length || second.Length != first.Length || third.Length != first.Length)
            throw new ArgumentException("planes of another size than the pixels", nameof(pixels));
        var i = 0;
        if (Ssse3.IsSupported)
        {
            ref var source = ref MemoryMarshal.GetReference(pixels);
            for (; i <= first.Length - 16; i += 16)
            {
                var (x, y, z) = (
                    Vector128.LoadUnsafe(ref source, (nuint)(3 * i)),
                    Vector128.LoadUnsafe(ref source, (nuint)(3 * i + 16)),
                    Vector128.LoadUnsafe(ref source, (nuint)(3 * i + 32))
                );
                Gather(x, y, z, 0).StoreUnsafe(ref first[i]);
                Gather(x, y, z, 1).StoreUnsafe(ref second[i]);
                Gather(x, y, z, 2).StoreUnsafe(ref third[i]);
            }
        }
        for (; i < first.Length; i++)
            (first[i], second[i], third[i]) = (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]);
    }

    // Every third of 48 bytes: a shuffle of each 16 of them that leaves zeros for the others.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Gather(Vector128<byte> x, Vector128<byte> y, Vector128<byte> z, int channel)
    {
        const byte o = 0x80;
        return channel switch
        {
            0 => Ssse3.Shuffle(x, Vector128.Create(0, 3, 6, 9, 12, 15, o, o, o, o, o, o, o, o, o, o))
                | Ssse3.Shuffle(y, Vector128.Create(o, o, o, o, o, o, 2, 5, 8, 11, 14, o, o, o, o, o))
                | Ssse3.Shuffle(z, Vector128.Create(o, o, o, o, o, o, o, o, o, o, o, 1, 4, 7, 10, 13)),
            1 => Ssse3.Shuffle(x, Vector128.Create(1, 4, 7, 10, 13, o, o, o, o, o, o, o, o, o, o, o))
                | Ssse3.Shuffle(y, Vector128.Create(o, o, o, o, o, 0, 3, 6, 9, 12, 15, o, o, o, o, o))
                | Ssse3.Shuffle(z, Vector128.Create(o, o, o, o, o, o, o, o, o, o, o, 2, 5, 8, 11, 14)),
            _ => Ssse3.Shuffle(x, Vector128.Create(2, 5, 8, 11, 14, o, o, o, o, o, o, o, o, o, o, o))
                | Ssse3.Shuffle(y, Vector128.Create(o, o, o, o, o, 1, 4, 7, 10, 13, o, o, o, o, o, o))
                | Ssse3.Shuffle(z, Vector128.Create(o, o, o, o, o, o, o, o, o, o, 0, 3, 6, 9, 12, 15)),
        };
    }
}
