using System.Buffers;

namespace Tessera.Checkpoints;

/// <summary>
/// The bytes under one or several tensors. Two tensors that refer to the same storage are tied, or views of one
/// another, in the file. The bytes lie in the mapped file, in memory, in a tensor of the engine, or are unpacked at the first use.
/// </summary>
public sealed class CheckpointStorage
{
    readonly Func<byte[]>? unpack;
    readonly Lock gate = new();
    Action? check;
    FileBytes? file;
    long start;
    byte[]? owned;
    Tensor? tensor;

    CheckpointStorage(string path, long byteLength, Func<byte[]>? unpack = null)
    {
        Path = path;
        ByteLength = byteLength;
        this.unpack = unpack;
    }

    /// <summary>Length in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>The file the bytes come from, for messages.</summary>
    internal string Path { get; }

    internal static CheckpointStorage Owned(byte[] bytes, string path) => new(path, bytes.Length) { owned = bytes };

    /// <summary>The values of a contiguous tensor on the CPU where they lie, valid as long as it is.</summary>
    internal static CheckpointStorage Of(Tensor tensor) => new("(in memory)", tensor.Bytes) { tensor = tensor };

    /// <summary>Bytes of a file where they lie.</summary>
    /// <param name="file">The file.</param>
    /// <param name="start">Where in it they begin.</param>
    /// <param name="byteLength">How many they are.</param>
    /// <param name="check">Makes sure, before the first use, that they are those that were written.</param>
    internal static CheckpointStorage Mapped(FileBytes file, long start, long byteLength, Action? check = null)
    {
        var storage = new CheckpointStorage(file.Path, byteLength) { check = check };
        storage.Place(file, start);
        return storage;
    }

    /// <summary>A storage whose bytes are produced (exactly <paramref name="byteLength"/> of them) when first wanted.</summary>
    internal static CheckpointStorage Packed(string path, long byteLength, Func<byte[]> unpack) => new(path, byteLength, unpack);

    /// <summary>A storage whose place in the file is not known yet, see <see cref="Place"/>.</summary>
    internal static CheckpointStorage Unplaced(string path, long byteLength) => new(path, byteLength);

    /// <summary>Says where in the file the bytes lie.</summary>
    internal void Place(FileBytes source, long offset)
    {
        if (offset < 0 || ByteLength < 0 || offset > source.Length - ByteLength)
            throw new CorruptCheckpointException(
                source.Path,
                $"a storage of {ByteLength} bytes at {offset} lies outside the file of {source.Length} bytes"
            );
        (file, start) = (source, offset);
    }

    /// <summary>The rest of a storage, from <paramref name="offset"/> on, as one of its own.</summary>
    internal CheckpointStorage Window(long offset) =>
        new(Path, ByteLength - offset)
        {
            file = file,
            tensor = tensor,
            check = file is null ? null : Check,
            start = start + offset,
            owned = file is null && tensor is null ? Memory() : null,
        };

    /// <summary>
    /// Part of the bytes in place, without a copy. The span is valid until the <see cref="Checkpoint"/> of a mapped file, or the tensor
    /// that holds the bytes, is disposed; <see cref="CheckpointTensor.ToContiguousBytes"/> has no such limit.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The part lies outside the storage.</exception>
    public unsafe ReadOnlySpan<byte> Slice(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - length);
        Check();
        if (file is not null)
            return file.Slice(start + offset, length);
        return tensor is not null ? new((byte*)tensor.Info.Data + start + offset, length) : Memory().AsSpan((int)(start + offset), length);
    }

    /// <summary>The first bytes, for a header that has to be read before it is certain that anything else will be.</summary>
    internal ReadOnlySpan<byte> Head(int length) => file is not null ? file.Slice(start, length) : Memory().AsSpan((int)start, length);

    /// <summary>Fixes the bytes in place until the handle is disposed; its pointer is the storage's first byte.</summary>
    internal unsafe MemoryHandle Pin()
    {
        Check();
        return file is not null ? file.Pin(start)
            : tensor is not null ? new((byte*)tensor.Info.Data + start)
            : Memory().AsMemory((int)start).Pin();
    }

    void Check()
    {
        lock (gate)
        {
            check?.Invoke();
            check = null;
        }
    }

    byte[] Memory()
    {
        lock (gate)
            return owned ??= unpack?.Invoke() ?? throw new InvalidOperationException("the storage has not been placed");
    }
}
