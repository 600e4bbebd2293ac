using System.Text;

namespace Tessera.Retrieval;

/// <summary>What a file holds: items by row and by id, which of them are left, and the last graph.</summary>
internal sealed unsafe class Contents : IDisposable
{
    private readonly List<ItemRecord> items = [];
    private readonly HashSet<string> fields = new(StringComparer.Ordinal);
    private readonly Lock lazily = new();
    private int recordsWithFields;
    private Record? graphRecord;
    private Graph? graph;

    internal Contents(IndexFile file)
    {
        File = file;
        if (file.Records is not [{ Header.Kind: RecordKind.Header } first, ..] || HeaderRecord.Read(first) is not { } header)
            throw Damaged(file.Path, "its first record is not a header");
        Header = header;
        foreach (var record in file.Records.Skip(1))
            Take(record);
        if (LastId >= file.Committed.NextId)
            throw Damaged(file.Path, $"the next id is {file.Committed.NextId}, and {LastId} is taken");
    }

    internal IndexFile File { get; }
    internal IndexHeader Header { get; }
    internal int Rows { get; private set; }
    internal RowSet Alive { get; } = new();
    internal bool HasGraph => graphRecord is not null;
    internal IReadOnlyList<ItemRecord> Items => items;
    private long LastId => items.Count == 0 ? 0 : items[^1].LastId;

    internal static IndexException Damaged(string path, string what) =>
        new($"{path} is damaged: {what}; take a copy of it, or build the index again");

    /// <summary>Takes a record in that has been committed.</summary>
    internal void Take(Record record)
    {
        switch (record.Header.Kind)
        {
            case RecordKind.Items:
                var added = new ItemRecord(record, Rows);
                if (record.Header.Count > int.MaxValue - Rows || !added.IsConsistent(Header.Dimension, LastId))
                    throw Inconsistent(record);
                items.Add(added);
                Alive.AddRange(Rows, added.Rows);
                Rows += added.Rows;
                break;
            case RecordKind.Removal:
                if (record.TableBytes != 8 * record.Header.Count)
                    throw Inconsistent(record);
                foreach (var id in new ReadOnlySpan<long>(record.Tables, (int)record.Header.Count))
                    if (RowOf(id) is not (>= 0 and var row) || !Alive.Remove(row))
                        throw Inconsistent(record);
                break;
            case RecordKind.Graph:
                if (!Graph.IsConsistent(record, Rows))
                    throw Inconsistent(record);
                graphRecord = record;
                graph?.Dispose();
                graph = null;
                break;
            default:
                throw Inconsistent(record);
        }
    }

    private IndexException Inconsistent(Record record) =>
        Damaged(File.Path, $"the record at byte {record.Position} contradicts those before it");

    /// <summary>The row of an id that is there; -1 where none is.</summary>
    internal int LivingRowOf(long id) => RowOf(id) is >= 0 and var row && Alive.Contains(row) ? row : -1;

    private int RowOf(long id)
    {
        var (low, high) = (0, items.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (id < items[middle].FirstId)
                high = middle - 1;
            else if (id > items[middle].LastId)
                low = middle + 1;
            else
                return items[middle].RowOf(id);
        }
        return -1;
    }

    internal ItemRecord RecordOf(int row)
    {
        var (low, high) = (0, items.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (row < items[middle].FirstRow)
                high = middle - 1;
            else
                low = middle;
        }
        return items[low];
    }

    internal IndexItem ItemOf(int row)
    {
        var record = RecordOf(row);
        return record.ItemOf(row).ToItem(record.IdOf(row));
    }

    /// <summary>Where a vector lies, once it was compared with its checksums.</summary>
    internal float* VectorOf(int row)
    {
        var record = RecordOf(row);
        var bytes = 4L * Header.Dimension;
        var from = (row - record.FirstRow) * bytes;
        return record.Record.IsSound(from, from + bytes)
            ? record.VectorOf(row, Header.Dimension)
            : throw Damaged(File.Path, $"the vectors of the record at byte {record.Record.Position} do not have their checksums");
    }

    /// <summary>Compares all vectors from a row on with their checksums, as far as they have not been looked at yet.</summary>
    internal void CheckVectors(int fromRow, int threads)
    {
        foreach (var record in items)
            if (record.FirstRow + record.Rows > fromRow && !record.Record.IsSoundThroughout(threads))
                throw Damaged(File.Path, $"the vectors of the record at byte {record.Record.Position} do not have their checksums");
    }

    /// <summary>The vectors from a row on, as they lie in memory.</summary>
    internal Stretch[] StretchesFrom(int row) =>
        [
            .. items
                .Where(record => record.FirstRow + record.Rows > row)
                .Select(record =>
                {
                    var first = Math.Max(row, record.FirstRow);
                    return new Stretch((nint)record.VectorOf(first, Header.Dimension), record.FirstRow + record.Rows - first, first);
                }),
        ];

    /// <summary>The last graph, once it was compared with its checksums; null where there is none.</summary>
    /// <param name="threads">Threads that compare.</param>
    internal Graph? LoadGraph(int threads)
    {
        lock (lazily)
        {
            if (graph is not null || graphRecord is null)
                return graph;
            if (!graphRecord.IsSoundThroughout(threads))
                throw Damaged(File.Path, $"the graph at byte {graphRecord.Position} does not have its checksums");
            return graph = Graph.View(graphRecord, Header.Dimension);
        }
    }

    /// <summary>Commits what was appended to the file, and takes it in.</summary>
    /// <param name="nextId">The id that the next item gets.</param>
    internal void Commit(long nextId)
    {
        // A graph is read where it lies.
        if (graphRecord is not null && File.WillMove(graphRecord))
        {
            graph?.Dispose();
            graph = null;
        }
        foreach (var record in File.Finish(nextId))
            Take(record);
    }

    /// <summary>The rows that are left and match a filter.</summary>
    internal RowSet Matching(IndexFilter filter, int threads)
    {
        CheckFields(filter);
        return Alive.Where(
            row =>
            {
                var record = RecordOf(row);
                return filter.Matches(record.ItemOf(row), record.IdOf(row));
            },
            threads
        );
    }

    // A field that no item has is a slip of the pen more often than a question.
    private void CheckFields(IndexFilter filter)
    {
        lock (lazily)
        {
            Span<char> text = stackalloc char[256];
            var known = fields.GetAlternateLookup<ReadOnlySpan<char>>();
            for (; recordsWithFields < items.Count; recordsWithFields++)
            {
                var record = items[recordsWithFields];
                for (var row = record.FirstRow; row < record.FirstRow + record.Rows; row++)
                    foreach (var field in record.ItemOf(row))
                        if (field.Key.Length > text.Length)
                            fields.Add(Encoding.UTF8.GetString(field.Key));
                        else
                            known.Add(text[..Encoding.UTF8.GetChars(field.Key, text)]);
            }
            if (Rows > 0 && filter.Fields.FirstOrDefault(field => !fields.Contains(field)) is { } unknown)
                throw new IndexException(
                    $"{File.Path}: no item has the field '{unknown}' that the filter '{filter}' asks for{Known(unknown)}"
                );
        }
    }

    private string Known(string unknown)
    {
        if (Spelling.Meant(unknown, fields) is { } meant)
            return $"; is '{meant}' meant?";
        string[] some = [.. fields.Order(StringComparer.Ordinal).Take(10)];
        return some.Length == 0
            ? "; the items have none"
            : $"; there are {string.Join(", ", some)}{(fields.Count > some.Length ? " and others" : "")}";
    }

    public void Dispose()
    {
        graph?.Dispose();
        File.Dispose();
    }
}
