using System.Buffers.Binary;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Training;

/// <summary>Rows of float32 numbers in a safetensors file of one tensor, written and read by their number without the others.</summary>
internal sealed class RowFile : IDisposable
{
    private const string Name = "rows", Metadata = "__metadata__", Origin = "origin";
    private const int LongestHeader = 1 << 16;
    private readonly SafeFileHandle handle;
    private readonly string path;
    private readonly long start;

    private RowFile(string path, SafeFileHandle handle, long start, long[] shape) => (this.path, this.handle, this.start, Shape) = (path, handle, start, shape);

    /// <summary>Rows, then the shape of one.</summary>
    internal long[] Shape { get; }

    private int Values => checked((int)Shape.Skip(1).Aggregate(1L, (product, size) => product * size));

    private int RowBytes => Values * sizeof(float);

    /// <summary>A new file of rows that are zero.</summary>
    /// <param name="path">Where.</param>
    /// <param name="shape">Rows, then the shape of one.</param>
    /// <param name="origin">What <see cref="Open"/> expects to find.</param>
    internal static RowFile Create(string path, long[] shape, string origin)
    {
        var bytes = shape.Aggregate((long)sizeof(float), (product, size) => product * size);
        var header = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>
        {
            [Metadata] = new Dictionary<string, string> { [Origin] = origin },
            [Name] = new Dictionary<string, object> { ["dtype"] = "F32", ["shape"] = shape, ["data_offsets"] = (long[])[0, bytes] },
        });
        var padded = new byte[sizeof(long) + (header.Length + 7) / 8 * 8];
        padded.AsSpan().Fill((byte)' ');
        BinaryPrimitives.WriteInt64LittleEndian(padded, padded.Length - sizeof(long));
        header.CopyTo(padded.AsSpan(sizeof(long)));
        var handle = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read, FileOptions.None, padded.Length + bytes);
        RandomAccess.Write(handle, padded, 0);
        RandomAccess.SetLength(handle, padded.Length + bytes);
        return new(path, handle, padded.Length, shape);
    }

    /// <summary>A file that <see cref="Create"/> began.</summary>
    /// <exception cref="RunException">It is none, is cut off, or comes from elsewhere.</exception>
    internal static RowFile Open(string path, string origin)
    {
        var handle = File.OpenHandle(path, options: FileOptions.RandomAccess);
        try
        {
            var length = RandomAccess.GetLength(handle);
            var size = new byte[sizeof(long)];
            var header = RandomAccess.Read(handle, size, 0) == size.Length && BinaryPrimitives.ReadInt64LittleEndian(size) is > 0 and <= LongestHeader and var count
                ? new byte[count] : throw new JsonException("no header");
            if (RandomAccess.Read(handle, header, size.Length) != header.Length) throw new JsonException("the header is cut off");
            using var json = JsonDocument.Parse(header);
            if (json.RootElement.GetProperty(Metadata).GetProperty(Origin).GetString() != origin)
                throw new RunException($"{path}: what is stored there is of another teacher, data set or augmentation: choose another folder");
            var file = new RowFile(path, handle, size.Length + header.Length, [.. json.RootElement.GetProperty(Name).GetProperty("shape").EnumerateArray().Select(s => s.GetInt64())]);
            if (file.start + file.Shape[0] * file.RowBytes != length) throw new JsonException($"it has {length} bytes, {file.start + file.Shape[0] * file.RowBytes} are right");
            return file;
        }
        catch (Exception error)
        {
            handle.Dispose();
            if (error is JsonException or KeyNotFoundException or InvalidOperationException or OverflowException) throw new RunException($"{path}: stored outputs of a teacher cannot be read: {error.Message.ReplaceLineEndings(" ")}");
            throw;
        }
    }

    /// <summary>Writes neighbouring rows.</summary>
    /// <param name="first">Number of the first.</param>
    /// <param name="rows">float32, [n, ...].</param>
    internal void Write(long first, Tensor rows) => RandomAccess.Write(handle, rows.ToBytes(), start + first * RowBytes);

    /// <summary>Some rows, [n, ...] on the CPU.</summary>
    internal Tensor Read(IReadOnlyList<long> rows)
    {
        var values = new float[rows.Count * Values];
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan());
        foreach (var (place, row) in rows.Index())
        {
            if (row < 0 || row >= Shape[0]) throw new RunException($"{path}: row {row} was asked for, there are {Shape[0]}");
            if (RandomAccess.Read(handle, bytes.Slice(place * RowBytes, RowBytes), start + row * RowBytes) != RowBytes) throw new RunException($"{path}: row {row} is cut off");
        }
        return Tensor.From(values, [rows.Count, .. Shape.Skip(1)]);
    }

    /// <summary>Puts what was written onto the disk.</summary>
    internal void Flush() => RandomAccess.FlushToDisk(handle);

    public void Dispose() => handle.Dispose();
}
