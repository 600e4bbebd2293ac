using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Tessera.Retrieval;

/// <summary>
/// Items with their vectors, as a record keeps them: the ids in rising order, where each item ends, the items as text, and as body
/// the vectors.
/// </summary>
internal sealed unsafe class ItemRecord(Record record, int firstRow)
{
    internal Record Record => record;
    internal int FirstRow => firstRow;
    internal int Rows => (int)record.Header.Count;
    internal float* Vectors => (float*)record.Body;
    internal long FirstId => Ids[0];
    internal long LastId => Ids[Rows - 1];

    private ReadOnlySpan<long> Ids => new(record.Tables, Rows);
    private ReadOnlySpan<int> Ends => new(record.Tables + 8L * Rows, Rows);

    internal long IdOf(int row) => Ids[row - firstRow];

    /// <summary>The row of an id, or -1.</summary>
    internal int RowOf(long id) => Ids.BinarySearch(id) is >= 0 and var i ? firstRow + i : -1;

    internal ItemView ItemOf(int row)
    {
        var ends = Ends;
        var i = row - firstRow;
        var from = i == 0 ? 0 : ends[i - 1];
        return new(new(record.Tables + 12L * Rows + from, ends[i] - from));
    }

    internal float* VectorOf(int row, int dimension) => Vectors + (long)(row - firstRow) * dimension;

    /// <summary>Whether ids and ends are such as a writer leaves: checksums say no more than that nothing was changed.</summary>
    internal bool IsConsistent(int dimension, long lastId)
    {
        var items = record.TableBytes - 12L * Rows;
        if (Rows < 1 || items < 0 || record.Header.BodyBytes != 4L * Rows * dimension)
            return false;
        foreach (var id in Ids)
        {
            if (id <= lastId)
                return false;
            lastId = id;
        }
        var end = 0;
        foreach (var next in Ends)
        {
            if (next < end)
                return false;
            end = next;
        }
        if (end != items)
            return false;
        for (var row = firstRow; row < firstRow + Rows; row++)
            if (!ItemOf(row).IsConsistent)
                return false;
        return true;
    }

    /// <summary>The tables of a record.</summary>
    /// <param name="ids">An id for each item, rising.</param>
    /// <param name="items">The items; what they say of ids is not looked at.</param>
    internal static byte[] Tables(ReadOnlySpan<long> ids, ReadOnlySpan<IndexItem> items)
    {
        var tables = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
            BinaryPrimitives.WriteInt64LittleEndian(Take(tables, 8), id);
        var texts = new ArrayBufferWriter<byte>();
        foreach (var item in items)
        {
            Write(texts, item.Name);
            BinaryPrimitives.WriteInt32LittleEndian(Take(texts, 4), item.Metadata.Count);
            foreach (var (key, value) in item.Metadata)
            {
                Write(texts, key);
                Write(texts, value);
            }
            BinaryPrimitives.WriteInt32LittleEndian(Take(tables, 4), texts.WrittenCount);
        }
        tables.Write(texts.WrittenSpan);
        return tables.WrittenSpan.ToArray();
    }

    private static void Write(ArrayBufferWriter<byte> to, string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        BinaryPrimitives.WriteInt32LittleEndian(Take(to, 4), bytes);
        Encoding.UTF8.GetBytes(text, Take(to, bytes));
    }

    private static Span<byte> Take(ArrayBufferWriter<byte> from, int bytes)
    {
        var taken = from.GetSpan(bytes)[..bytes];
        from.Advance(bytes);
        return taken;
    }
}
