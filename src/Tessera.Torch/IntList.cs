using System.Runtime.CompilerServices;

namespace Tessera;

/// <summary>
/// A short list of integers as operators take it (sizes, dimensions, strides): <c>2</c>, <c>(1, 2)</c> and
/// <c>[b, n, -1]</c> all convert to it. <c>default</c> means no list at all.
/// </summary>
[CollectionBuilder(typeof(IntList), nameof(Create))]
public struct IntList
{
    /// <summary>The most entries that a list holds; no operator of ATen takes tensors of more dimensions in practice.</summary>
    public const int Capacity = 12;

    [InlineArray(Capacity)]
    private struct Items
    {
        private long first;
    }

    private Items items;
    private int count;

    /// <summary>A list of the given values.</summary>
    /// <exception cref="ArgumentException">More than <see cref="Capacity"/> values.</exception>
    public IntList(ReadOnlySpan<long> values)
    {
        if (values.Length > Capacity)
            throw new ArgumentException($"a list must have at most {Capacity} entries, not {values.Length}", nameof(values));
        values.CopyTo(items);
        count = values.Length + 1;
    }

    /// <summary>Whether there is a list; an empty list counts.</summary>
    public readonly bool HasValue => count > 0;

    /// <summary>Number of entries.</summary>
    public readonly int Count => Math.Max(0, count - 1);

    /// <summary>An entry.</summary>
    public readonly long this[int index] => ((ReadOnlySpan<long>)items)[..Count][index];

    internal unsafe long* Pointer => (long*)Unsafe.AsPointer(ref items);

    /// <summary>A list of the given values, for collection expressions.</summary>
    public static IntList Create(ReadOnlySpan<long> values) => new(values);

    /// <summary>The entries as an array.</summary>
    public readonly long[] ToArray() => ((ReadOnlySpan<long>)items)[..Count].ToArray();

    /// <summary>Enumerates the entries.</summary>
    public readonly IEnumerator<long> GetEnumerator() => ((IEnumerable<long>)ToArray()).GetEnumerator();

    /// <summary>A list of one entry.</summary>
    public static implicit operator IntList(long value) => new([value]);

    /// <summary>A list of one entry.</summary>
    public static implicit operator IntList(int value) => new([value]);

    /// <summary>A list of two entries.</summary>
    public static implicit operator IntList((long First, long Second) values) => new([values.First, values.Second]);

    /// <summary>A list of three entries.</summary>
    public static implicit operator IntList((long First, long Second, long Third) values) =>
        new([values.First, values.Second, values.Third]);

    /// <summary>A list of an array's entries.</summary>
    public static implicit operator IntList(long[] values) => new(values);

    /// <summary>The entries, as operators with a spread list take them.</summary>
    public static implicit operator ReadOnlySpan<long>(IntList list) => list.ToArray();

    /// <summary>A tensor's sizes.</summary>
    public static implicit operator IntList(Shape shape) => new(shape.AsSpan());
}
