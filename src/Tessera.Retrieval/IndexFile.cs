using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Retrieval;

/// <summary>
/// The file of an index: a page that names the format, two slots for the last two commits, then records that are only ever appended.
/// A commit writes its records, waits for the disk, writes its slot and waits again.
/// </summary>
internal sealed unsafe class IndexFile : IDisposable
{
    internal const int Page = 4096;
    private const long FirstRecord = 3 * Page;
    private const ulong Magic = 0x3158444E49535354; // "TSSINDX1"
    private const int Version = 1;

    private readonly SafeFileHandle file;
    private readonly Disk disk;
    private readonly FileMaps maps;
    private readonly List<Record> records = [];
    private readonly List<Record> pending = [];
    private long written;
    private bool isBroken;

    private IndexFile(string path, SafeFileHandle file, Disk disk)
    {
        (Path, this.file, this.disk) = (path, file, disk);
        maps = new(file);
    }

    internal string Path { get; private set; }
    internal Commit Committed { get; private set; }
    internal IReadOnlyList<Record> Records => records;

    /// <summary>Makes a file, under a name of its own until <see cref="Publish"/>.</summary>
    internal static IndexFile Create(string path, Disk disk)
    {
        var handle = Opened(path, () =>
            File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete)
        );
        var index = new IndexFile(path, handle, disk);
        try
        {
            // It keeps the lock when it gets its name.
            WriterLock.TryTake(handle);
            var page = new byte[24];
            BinaryPrimitives.WriteUInt64LittleEndian(page, Magic);
            BinaryPrimitives.WriteInt32LittleEndian(page.AsSpan(8), Version);
            BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(16), XxHash3.HashToUInt64(page.AsSpan(0, 16)));
            disk.Write(handle, page, 0);
            // Records begin behind both slots; the one that no commit has written yet reads as zeros.
            disk.Write(handle, new byte[2 * Page], Page);
            index.Committed = new(0, FirstRecord, 1);
            index.written = FirstRecord;
            return index;
        }
        catch
        {
            index.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Gives the file its name; it stays open.</summary>
    internal void Publish(string path, bool overwrite)
    {
        disk.Move(Path, path, overwrite);
        Path = path;
    }

    /// <summary>Opens a file, and checks all that is committed but the bodies of records.</summary>
    internal static IndexFile Open(string path, bool write, Disk disk)
    {
        var handle = Opened(path, () => write ? OpenedAlone(path) : OpenedBesideOthers(path, FileAccess.Read));
        var index = new IndexFile(path, handle, disk);
        try
        {
            index.Load(write);
            return index;
        }
        catch
        {
            index.Dispose();
            throw;
        }
    }

    private static SafeFileHandle OpenedBesideOthers(string path, FileAccess access) =>
        File.OpenHandle(path, FileMode.Open, access, FileShare.ReadWrite | FileShare.Delete);

    private static SafeFileHandle OpenedAlone(string path)
    {
        while (true)
        {
            var handle = OpenedBesideOthers(path, FileAccess.ReadWrite);
            try
            {
                if (!WriterLock.TryTake(handle))
                    throw new IndexException($"{path}: another program is writing to it; only one can at a time");
                // Between opening and locking, the writer that was there may have put another file in the place of this one.
                if (!WriterLock.WasReplaced(handle))
                    return handle;
            }
            catch
            {
                handle.Dispose();
                throw;
            }
            handle.Dispose();
        }
    }

    private static SafeFileHandle Opened(string path, Func<SafeFileHandle> open)
    {
        try
        {
            return open();
        }
        catch (FileNotFoundException error)
        {
            throw new IndexException($"{path}: there is no such file", error);
        }
        catch (DirectoryNotFoundException error)
        {
            throw new IndexException($"{path}: there is no folder {System.IO.Path.GetDirectoryName(path)}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IndexException($"{path} cannot be opened: {error.Message}", error);
        }
    }

    private IndexException Damaged(string what) => new($"{Path} is damaged: {what}; take a copy of it, or build the index again");

    private void Load(bool write)
    {
        var length = RandomAccess.GetLength(file);
        var pages = new byte[FirstRecord];
        if (length < FirstRecord || ReadFully(pages) < FirstRecord)
            throw new IndexException($"{Path} is not an index: it has {length} bytes, and an index begins with {FirstRecord}");
        if (BinaryPrimitives.ReadUInt64LittleEndian(pages) != Magic)
            throw new IndexException($"{Path} is not an index: it begins with other bytes");
        if (BinaryPrimitives.ReadUInt64LittleEndian(pages.AsSpan(16)) != XxHash3.HashToUInt64(pages.AsSpan(0, 16)))
            throw Damaged("its first page does not have its checksum");
        if (BinaryPrimitives.ReadInt32LittleEndian(pages.AsSpan(8)) is var version && version != Version)
            throw new IndexException($"{Path} has version {version} of the format; this program reads version {Version}");
        var (commit, isAlone) = LastCommit(pages);
        if (commit.Length > length)
            throw Damaged($"it has {length} bytes, and {commit.Length} were committed");
        maps.Grow(0, length, records);
        var end = ReadRecords(FirstRecord, commit.Length, 1, commit.Sequence, isCommitted: true);
        if (end != commit.Length)
            throw Damaged($"the records end at byte {end}, and {commit.Length} bytes were committed");
        Committed = commit;
        // The other slot is damaged. Where it was being written, the records of its commit are whole.
        if (isAlone && TakeWholeCommit(length) && write)
            WriteSlot();
        written = Committed.Length;
        if (write && length > Committed.Length)
            disk.Cut(file, Committed.Length);
    }

    private long ReadFully(Span<byte> bytes)
    {
        var at = 0;
        while (at < bytes.Length)
        {
            var read = RandomAccess.Read(file, bytes[at..], at);
            if (read == 0)
                break;
            at += read;
        }
        return at;
    }

    private (Commit Commit, bool IsAlone) LastCommit(byte[] pages)
    {
        Span<Commit?> slots = [null, null];
        for (var i = 0; i < 2; i++)
        {
            var position = (int)Commit.PositionOf(i);
            if (Commit.Read(pages.AsSpan(position, Commit.Bytes)) is not { } commit)
                continue;
            if (commit.Sequence < 1 || (commit.Sequence & 1) != i || commit.Length < FirstRecord || commit.NextId < 1)
                throw Damaged($"the commit at byte {position} cannot be");
            slots[i] = commit;
        }
        switch (slots)
        {
            case [{ } even, { } odd]:
                if (Math.Abs(even.Sequence - odd.Sequence) != 1)
                    throw Damaged($"its commits are {even.Sequence} and {odd.Sequence}, which do not follow one another");
                return (even.Sequence > odd.Sequence ? even : odd, false);
            case [{ } even, null]:
                return (even, true);
            case [null, { } odd]:
                var other = pages.AsSpan((int)Commit.PositionOf(0), Commit.Bytes);
                return (odd, odd.Sequence != 1 || other.ContainsAnyExcept((byte)0));
            default:
                throw Damaged("neither of its two commits can be read");
        }
    }

    // Reads records and gives the position behind the last one. What is committed has to be sound.
    private long ReadRecords(long position, long limit, long firstSequence, long lastSequence, bool isCommitted)
    {
        var sequence = firstSequence;
        var start = maps.At(position) - position;
        while (position < limit)
        {
            var header =
                limit - position < RecordHeader.Bytes
                    ? default
                    : MemoryMarshal.Read<RecordHeader>(new(start + position, RecordHeader.Bytes));
            if (!header.IsSound(position, limit) || header.Sequence != sequence)
                return isCommitted ? throw Damaged($"there is no sound record at byte {position}") : position;
            var record = new Record(header, position) { Start = start + position };
            if (!record.TablesAreSound)
                return isCommitted ? throw Damaged($"the tables of the record at byte {position} do not have their checksum") : position;
            records.Add(record);
            position = record.End;
            if (header.IsLast != 0 && sequence++ == lastSequence)
                break;
        }
        return position;
    }

    private bool TakeWholeCommit(long length)
    {
        var (count, next) = (records.Count, Committed.Sequence + 1);
        var end = ReadRecords(Committed.Length, length, next, next, isCommitted: false);
        if (records.Count == count || records[^1].Header.IsLast == 0 || records[count..].Exists(record => !record.IsSoundThroughout(1)))
        {
            records.RemoveRange(count, records.Count - count);
            return false;
        }
        var items = records[count..].FindLast(record => record.Header.Kind == RecordKind.Items);
        Committed = new(next, end, items is null ? Committed.NextId : new ItemRecord(items, 0).LastId + 1);
        return true;
    }

    /// <summary>Appends a record to the commit that <see cref="Finish"/> will end.</summary>
    /// <param name="kind">What it holds.</param>
    /// <param name="count">How many.</param>
    /// <param name="tables">What is checked when the file is opened.</param>
    /// <param name="body">What is checked when it is looked at.</param>
    /// <param name="isLast">Whether it is the last one of the commit.</param>
    internal void Append(RecordKind kind, long count, ReadOnlySpan<byte> tables, UnmanagedBytes body, bool isLast)
    {
        if (isBroken)
            throw new IndexException($"{Path}: an earlier write failed half-way; open the index again");
        var header = new RecordHeader
        {
            Kind = kind,
            Sequence = Committed.Sequence + 1,
            Count = count,
            BodyBytes = body.Length,
            IsLast = isLast ? 1 : 0,
        };
        header.TableBytes = 8L * header.Chunks + tables.Length;
        var bytes = new byte[RecordHeader.Bytes + RecordHeader.Padded(header.TableBytes)];
        var checksums = bytes.AsSpan(RecordHeader.Bytes);
        for (var chunk = 0; chunk < header.Chunks; chunk++)
            BinaryPrimitives.WriteUInt64LittleEndian(checksums[(8 * chunk)..], XxHash3.HashToUInt64(body.Chunk(chunk)));
        tables.CopyTo(checksums[(8 * header.Chunks)..]);
        header.TableHash = XxHash3.HashToUInt64(checksums[..(int)header.TableBytes]);
        header.Seal(written);
        MemoryMarshal.Write(bytes, in header);
        disk.Write(file, bytes, written);
        var at = written + bytes.Length;
        for (var chunk = 0; chunk < header.Chunks; chunk++, at += RecordHeader.ChunkBytes)
            disk.Write(file, body.Chunk(chunk), at);
        var record = new Record(header, written);
        if (body.Length % RecordHeader.Bytes != 0)
            disk.Write(
                file,
                new byte[RecordHeader.Padded(body.Length) - body.Length],
                record.End - (RecordHeader.Padded(body.Length) - body.Length)
            );
        pending.Add(record);
        written = record.End;
    }

    /// <summary>Whether a record will lie elsewhere in memory after the next commit.</summary>
    internal bool WillMove(Record record) => maps.WillMove(record.Position);

    /// <summary>Forgets what was appended since the last commit.</summary>
    internal void Abandon()
    {
        pending.Clear();
        written = Committed.Length;
    }

    /// <summary>Commits what was appended: when it returns, it is on the disk.</summary>
    /// <param name="nextId">The id that the next item gets.</param>
    /// <returns>The records.</returns>
    internal IReadOnlyList<Record> Finish(long nextId)
    {
        disk.Flush(file);
        var before = Committed;
        isBroken = true;
        Committed = new(before.Sequence + 1, written, nextId);
        try
        {
            WriteSlot();
        }
        catch
        {
            Committed = before;
            throw;
        }
        isBroken = false;
        Record[] added = [.. pending];
        records.AddRange(added);
        pending.Clear();
        maps.Grow(before.Sequence == 0 ? 0 : before.Length, written, records);
        return added;
    }

    private void WriteSlot()
    {
        disk.Write(file, Committed.ToBytes(), Commit.PositionOf(Committed.Sequence));
        disk.Flush(file);
    }

    public void Dispose()
    {
        maps.Dispose();
        file.Dispose();
    }
}
