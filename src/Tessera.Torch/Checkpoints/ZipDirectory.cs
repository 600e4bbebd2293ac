using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>One file inside a zip archive.</summary>
/// <param name="Name">Name with its folders.</param>
/// <param name="DataOffset">Where its bytes begin in the archive.</param>
/// <param name="PackedLength">Bytes it takes there.</param>
/// <param name="Length">Bytes it unpacks to.</param>
/// <param name="Deflated">Whether it is compressed; else it lies there as it is.</param>
/// <param name="Checksum">CRC-32 of the unpacked bytes.</param>
internal sealed record ZipEntry(string Name, long DataOffset, long PackedLength, long Length, bool Deflated, uint Checksum);

/// <summary>
/// The table of contents of a zip archive, checked: every entry lies inside the file, none overlaps another, and
/// what they unpack to stays in proportion.
/// </summary>
internal sealed class ZipDirectory
{
    const uint Zip64LocatorSignature = 0x07064b50,
        Zip64EndSignature = 0x06064b50;
    const uint CentralSignature = 0x02014b50,
        LocalSignature = 0x04034b50;
    const int EndLength = 22,
        CentralLength = 46,
        LocalLength = 30,
        MaxEntries = 1_000_000,
        MaxTrailing = 16 << 20;

    // Weights hardly compress; archives beyond this ratio are made to exhaust memory.
    const long MaxRatio = 100,
        RatioMatters = 16 << 20;

    readonly FileBytes file;
    readonly Dictionary<string, ZipEntry> entries = [];

    ZipDirectory(FileBytes file) => this.file = file;

    public IReadOnlyCollection<ZipEntry> Entries => entries.Values;

    public ZipEntry? Find(string name) => entries.GetValueOrDefault(name);

    public static ZipDirectory Read(FileBytes file)
    {
        var directory = new ZipDirectory(file);
        var (offset, length, count) = directory.FindCentral();
        directory.ReadCentral(offset, length, count);
        directory.CheckRatio();
        return directory;
    }

    /// <summary>An entry's bytes: where they lie in the file, or unpacked.</summary>
    public ReadOnlySpan<byte> Bytes(ZipEntry entry, int maxLength)
    {
        if (entry.Length > maxLength)
            throw Corrupt($"entry {entry.Name} must have at most {maxLength} bytes, not {entry.Length}");
        if (entry.Deflated)
            return Unpack(entry);
        Check(entry);
        return file.Slice(entry.DataOffset, (int)entry.Length);
    }

    /// <summary>An entry as the storage of tensors; compressed ones are unpacked when first wanted.</summary>
    public CheckpointStorage Storage(ZipEntry entry) =>
        entry.Deflated
            ? CheckpointStorage.Packed(file.Path, entry.Length, () => Unpack(entry))
            : CheckpointStorage.Mapped(file, entry.DataOffset, entry.Length, () => Check(entry));

    /// <summary>Compares the checksum of an entry that is not compressed.</summary>
    void Check(ZipEntry entry)
    {
        const int part = 1 << 26;
        var checksum = new Crc32();
        for (var done = 0L; done < entry.Length; done += part)
            checksum.Append(file.Slice(entry.DataOffset + done, (int)Math.Min(part, entry.Length - done)));
        Compare(entry, checksum.GetCurrentHashAsUInt32());
    }

    void Compare(ZipEntry entry, uint checksum)
    {
        // Writers that compute no checksum leave it at 0.
        if (entry.Checksum != 0 && checksum != entry.Checksum)
            throw Corrupt($"entry {entry.Name} is damaged: its checksum is {checksum:x8}, and {entry.Checksum:x8} was written");
    }

    unsafe byte[] Unpack(ZipEntry entry)
    {
        if (entry.Length > Array.MaxLength)
            throw Corrupt($"entry {entry.Name} is compressed and larger than 2 GiB");
        var bytes = new byte[entry.Length];
        using var pin = file.Pin(entry.DataOffset);
        using var inflate = new DeflateStream(
            new UnmanagedMemoryStream((byte*)pin.Pointer, entry.PackedLength),
            CompressionMode.Decompress
        );
        try
        {
            var read = inflate.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (read < bytes.Length || inflate.ReadByte() >= 0)
                throw Corrupt($"entry {entry.Name} does not unpack to the {bytes.Length} bytes that it declares");
            Compare(entry, Crc32.HashToUInt32(bytes));
            return bytes;
        }
        catch (InvalidDataException e)
        {
            throw new CorruptCheckpointException(file.Path, $"entry {entry.Name} cannot be unpacked", e);
        }
    }

    /// <summary>
    /// The last end record. Usually it and its comment end the file; a copy that went through other hands may have further bytes behind.
    /// </summary>
    (long Offset, long Length, long Count) FindCentral()
    {
        var tailLength = (int)Math.Min(file.Length, EndLength + ushort.MaxValue + MaxTrailing);
        var tail = file.Slice(file.Length - tailLength, tailLength);
        var (last, exact) = (-1, -1);
        for (var rest = tail; exact < 0 && rest.LastIndexOf("PK\u0005\u0006"u8) is var at and >= 0; rest = tail[..(at + 3)])
        {
            var end = tail[at..];
            if (end.Length < EndLength || UInt16(end, 20) > end.Length - EndLength)
                continue;
            last = Math.Max(last, at);
            if (UInt16(end, 20) == end.Length - EndLength)
                exact = at;
        }
        var found = exact >= 0 ? exact : last;
        return found >= 0
            ? ReadEnd(tail[found..], file.Length - tailLength + found)
            : throw Corrupt("the archive has no end record; the file is probably truncated");
    }

    (long Offset, long Length, long Count) ReadEnd(ReadOnlySpan<byte> end, long position)
    {
        if (position >= 20 && file.Slice(position - 20, 20) is var locator && UInt32(locator, 0) == Zip64LocatorSignature)
        {
            var end64 = file.Slice(Int64(locator, 8), 56);
            if (UInt32(end64, 0) != Zip64EndSignature || UInt32(end64, 16) != 0 || UInt32(end64, 20) != 0)
                throw Corrupt("the archive's zip64 end record is damaged");
            return (Int64(end64, 48), Int64(end64, 40), Int64(end64, 32));
        }
        if (UInt16(end, 4) != 0 || UInt16(end, 6) != 0)
            throw new UnsupportedCheckpointException(file.Path, "the archive is one of several parts; join them first");
        return (UInt32(end, 16), UInt32(end, 12), UInt16(end, 10));
    }

    void ReadCentral(long offset, long length, long count)
    {
        if (length < 0 || length > int.MaxValue || count < 0 || count > Math.Min(MaxEntries, length / CentralLength))
            throw Corrupt($"the archive declares {count} entries in {length} bytes");
        var central = file.Slice(offset, (int)length);
        var extents = new List<(long Start, long End)>((int)count);
        for (var i = 0; i < count; i++)
        {
            if (central.Length < CentralLength || UInt32(central, 0) != CentralSignature)
                throw Corrupt($"the archive's entry {i} is damaged");
            var (nameLength, extraLength, commentLength) = (UInt16(central, 28), UInt16(central, 30), UInt16(central, 32));
            var total = CentralLength + nameLength + extraLength + commentLength;
            if (central.Length < total)
                throw Corrupt($"the archive's entry {i} is cut off");
            var (entry, header) = ReadEntry(central[..total], nameLength, extraLength);
            if (!entries.TryAdd(entry.Name, entry))
                throw Corrupt($"the archive has two entries called {entry.Name}");
            extents.Add((header, entry.DataOffset + entry.PackedLength));
            central = central[total..];
        }
        extents.Sort();
        for (var i = 1; i < extents.Count; i++)
            if (extents[i].Start < extents[i - 1].End)
                throw Corrupt("entries of the archive overlap");
    }

    (ZipEntry Entry, long Header) ReadEntry(ReadOnlySpan<byte> central, int nameLength, int extraLength)
    {
        var name = Encoding.UTF8.GetString(central.Slice(CentralLength, nameLength));
        var (flags, method) = (UInt16(central, 8), UInt16(central, 10));
        if ((flags & 1) != 0)
            throw new UnsupportedCheckpointException(file.Path, $"entry {name} is encrypted");
        if (method is not (0 or 8))
            throw new UnsupportedCheckpointException(
                file.Path,
                $"entry {name} is compressed by method {method}; only stored and deflated entries can be read"
            );

        long packed = UInt32(central, 20),
            length = UInt32(central, 24),
            header = UInt32(central, 42);
        ReadZip64(central.Slice(CentralLength + nameLength, extraLength), ref length, ref packed, ref header);

        // The local header has an extra field of its own, which pads the data to its alignment.
        var local = file.Slice(header, LocalLength);
        if (UInt32(local, 0) != LocalSignature)
            throw Corrupt($"entry {name} has no header where the archive says");
        var data = header + LocalLength + UInt16(local, 26) + UInt16(local, 28);
        if (packed < 0 || length < 0 || data > file.Length - packed)
            throw Corrupt($"entry {name} of {packed} bytes lies outside the file of {file.Length}");
        if (method == 0 && packed != length)
            throw Corrupt($"entry {name} is not compressed, but declares {length} bytes in {packed}");
        if (!file.Slice(header + LocalLength, UInt16(local, 26)).SequenceEqual(central.Slice(CentralLength, nameLength)))
            throw Corrupt($"entry {name} has a different name in its header");
        return (new ZipEntry(name, data, packed, length, method == 8, UInt32(central, 16)), header);
    }

    /// <summary>Replaces the numbers that do not fit 32 bits, in this order.</summary>
    void ReadZip64(ReadOnlySpan<byte> extra, ref long length, ref long packed, ref long header)
    {
        while (extra.Length >= 4)
        {
            var (id, size) = (UInt16(extra, 0), UInt16(extra, 2));
            if (size > extra.Length - 4)
                throw Corrupt("an extra field of the archive is cut off");
            if (id == 1)
            {
                var numbers = extra.Slice(4, size);
                Next(ref length, ref numbers);
                Next(ref packed, ref numbers);
                Next(ref header, ref numbers);
                return;
            }
            extra = extra[(4 + size)..];
        }

        void Next(ref long value, ref ReadOnlySpan<byte> numbers)
        {
            if (value != uint.MaxValue)
                return;
            if (numbers.Length < 8)
                throw Corrupt("a zip64 field of the archive is cut off");
            value = Int64(numbers, 0);
            numbers = numbers[8..];
        }
    }

    void CheckRatio()
    {
        UInt128 total = 0;
        foreach (var entry in entries.Values.Where(e => e.Deflated))
            total += (ulong)entry.Length;
        if (total > RatioMatters && total > (UInt128)MaxRatio * (ulong)file.Length)
            throw Corrupt($"the archive of {file.Length} bytes would unpack to {total} bytes, more than a checkpoint does");
    }

    static ushort UInt16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    static uint UInt32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    static long Int64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);

    CorruptCheckpointException Corrupt(string problem) => new(file.Path, problem);
}
