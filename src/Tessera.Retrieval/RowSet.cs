using System.Numerics;

namespace Tessera.Retrieval;

/// <summary>Some of the rows of an index, a bit for each.</summary>
internal sealed class RowSet
{
    private ulong[] bits = [];

    /// <summary>How many rows are in it.</summary>
    internal int Count { get; private set; }

    /// <summary>A word for each 64 rows.</summary>
    internal ReadOnlySpan<ulong> Words => bits;

    internal bool Contains(int row) => row >> 6 < bits.Length && (bits[row >> 6] >> (row & 63) & 1) != 0;

    /// <summary>Makes room for rows, which are not in it yet.</summary>
    internal void Reserve(int rows)
    {
        var words = (int)(((long)rows + 63) >> 6);
        if (words > bits.Length)
            Array.Resize(ref bits, Math.Max(words, (int)Math.Min(2L * bits.Length, 1 << 25)));
    }

    internal void AddRange(int from, int count)
    {
        Reserve(from + count);
        for (var row = from; row < from + count; row++)
            bits[row >> 6] |= 1UL << (row & 63);
        Count += count;
    }

    /// <summary>Takes a row out.</summary>
    /// <returns>Whether it was in.</returns>
    internal bool Remove(int row)
    {
        if (!Contains(row))
            return false;
        bits[row >> 6] &= ~(1UL << (row & 63));
        Count--;
        return true;
    }

    /// <summary>Those rows that a condition holds for, asked on several threads.</summary>
    internal RowSet Where(Func<int, bool> condition, int threads)
    {
        const int wordsAtOnce = 64;
        var result = new RowSet { bits = new ulong[bits.Length] };
        Parallel.For(0, (bits.Length + wordsAtOnce - 1) / wordsAtOnce, new() { MaxDegreeOfParallelism = threads }, piece =>
        {
            for (var word = piece * wordsAtOnce; word < Math.Min((piece + 1) * wordsAtOnce, bits.Length); word++)
            for (var left = bits[word]; left != 0; left &= left - 1)
            {
                var bit = BitOperations.TrailingZeroCount(left);
                if (condition((word << 6) + bit))
                    result.bits[word] |= 1UL << bit;
            }
        });
        foreach (var word in result.bits)
            result.Count += BitOperations.PopCount(word);
        return result;
    }

    /// <summary>The rows, rising.</summary>
    internal IEnumerable<int> Rows()
    {
        for (var word = 0; word < bits.Length; word++)
        for (var left = bits[word]; left != 0; left &= left - 1)
            yield return (word << 6) + BitOperations.TrailingZeroCount(left);
    }
}
