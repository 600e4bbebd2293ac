using System.Buffers;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Tessera.Checkpoints;

/// <summary>
/// The bytes of one file, memory-mapped or held in an array, behind bounds-checked reads. Pins keep the bytes in
/// place when the file is disposed meanwhile; spans do not.
/// </summary>
internal sealed unsafe class FileBytes : IPinnable, IDisposable
{
    readonly MemoryMappedFile? mapping;
    readonly MemoryMappedViewAccessor? view;
    readonly GCHandle array;
    readonly byte* start;
    readonly Lock gate = new();
    int pins;
    bool disposed;

    FileBytes(string path, MemoryMappedFile mapping, long length)
    {
        Path = path;
        Length = length;
        this.mapping = mapping;
        view = mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        start = pointer + view.PointerOffset;
    }

    FileBytes(string path, byte[] bytes)
    {
        Path = path;
        Length = bytes.Length;
        array = GCHandle.Alloc(bytes, GCHandleType.Pinned);
        start = (byte*)array.AddrOfPinnedObject();
    }

    ~FileBytes() => Release();

    /// <summary>The name of the file in error messages.</summary>
    public string Path { get; }

    public long Length { get; }

    /// <summary>Maps a file for reading.</summary>
    public static FileBytes Map(string path)
    {
        // Deleting or replacing the file while it is mapped is harmless where the system allows it.
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            var length = stream.Length;
            if (length == 0)
                throw new CorruptCheckpointException(path, "the file is empty");
            return new FileBytes(
                path,
                MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false),
                length
            );
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads from an array, which must not change meanwhile.</summary>
    public static FileBytes Wrap(string path, byte[] bytes) => new(path, bytes);

    /// <summary>A part of the file; the caller must keep this object alive and undisposed while using it.</summary>
    public ReadOnlySpan<byte> Slice(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new CorruptCheckpointException(Path, $"{length} bytes at {offset} lie outside the file of {Length} bytes");
        return new ReadOnlySpan<byte>(start + offset, length);
    }

    /// <summary>All from <paramref name="offset"/> on, cut at the longest possible span.</summary>
    public ReadOnlySpan<byte> From(long offset) => Slice(offset, (int)Math.Min(int.MaxValue, Length - offset));

    public MemoryHandle Pin(int elementIndex) => Pin((long)elementIndex);

    /// <summary>The address of a byte, valid until the handle is disposed.</summary>
    public MemoryHandle Pin(long offset)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            pins++;
        }
        return new MemoryHandle(start + offset, default, this);
    }

    public void Unpin()
    {
        lock (gate)
        {
            pins--;
            if (pins == 0 && disposed)
                Release();
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
                return;
            disposed = true;
            if (pins == 0)
                Release();
        }
        GC.SuppressFinalize(this);
    }

    void Release()
    {
        if (array.IsAllocated)
            array.Free();
        if (view is null)
            return;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping!.Dispose();
    }
}
