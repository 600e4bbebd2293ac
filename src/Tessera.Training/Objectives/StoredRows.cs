using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Tessera.Checkpoints;

namespace Tessera.Training.Objectives;

/// <summary>Rows of float32 numbers in a safetensors file of one tensor, read by their number without the others.</summary>
internal sealed class StoredRows : IDisposable
{
    private const string Name = "rows",
        Origin = "origin";
    private readonly Checkpoint file;
    private readonly CheckpointTensor rows;
    private readonly int values;

    private StoredRows(Checkpoint file, CheckpointTensor rows)
    {
        (this.file, this.rows) = (file, rows);
        values = checked((int)(rows.Count / rows.Shape[0]));
    }

    /// <summary>A file that a <see cref="Writer"/> made.</summary>
    /// <exception cref="RunException">It is none, is cut off, or comes from elsewhere.</exception>
    internal static StoredRows Open(string path, string origin)
    {
        Checkpoint file;
        try
        {
            file = Checkpoint.Open(path);
        }
        catch (CheckpointException error)
        {
            throw new RunException($"{path}: stored outputs of a teacher cannot be read: {error.Message}");
        }
        if (
            file.Metadata.GetValueOrDefault(Origin) == origin
            && file.Root is CheckpointDictionary root
            && root.TryGetValue(Name, out var value)
            && value is CheckpointTensor { DType: DType.Float32, Count: > 0 } rows
        )
            return new(file, rows);
        file.Dispose();
        throw new RunException($"{path}: the stored outputs belong to another teacher, data set or augmentation; choose another folder");
    }

    /// <summary>Some rows, [n, ...] on the CPU.</summary>
    internal Tensor Read(IReadOnlyList<long> numbers)
    {
        var read = new float[numbers.Count * values];
        foreach (var (place, row) in numbers.Index())
        {
            if (row < 0 || row >= rows.Shape[0])
                throw new RunException($"{file.Path}: row {row} was asked for, there are {rows.Shape[0]}");
            MemoryMarshal
                .Cast<byte, float>(rows.Storage.Slice(row * values * sizeof(float), values * sizeof(float)))
                .CopyTo(read.AsSpan(place * values));
        }
        return Tensor.From(read, [numbers.Count, .. rows.Shape[1..]]);
    }

    public void Dispose() => file.Dispose();

    /// <summary>Makes such a file, whose rows need not fit into memory together.</summary>
    internal sealed class Writer : IDisposable
    {
        private readonly SafeFileHandle handle;
        private readonly long start;

        /// <summary>A new file of rows that are zero.</summary>
        /// <param name="path">Path of the file.</param>
        /// <param name="shape">Number of rows, then the shape of one row.</param>
        /// <param name="origin">Origin of the rows, which <see cref="Open"/> compares.</param>
        internal Writer(string path, long[] shape, string origin)
        {
            var bytes = shape.Aggregate((long)sizeof(float), (product, size) => product * size);
            var header = JsonSerializer.SerializeToUtf8Bytes(
                new Dictionary<string, object>
                {
                    ["__metadata__"] = new Dictionary<string, string> { [Origin] = origin },
                    [Name] = new Dictionary<string, object>
                    {
                        ["dtype"] = "F32",
                        ["shape"] = shape,
                        ["data_offsets"] = (long[])[0, bytes],
                    },
                }
            );
            var padded = new byte[sizeof(long) + (header.Length + 7) / 8 * 8];
            padded.AsSpan().Fill((byte)' ');
            BinaryPrimitives.WriteInt64LittleEndian(padded, padded.Length - sizeof(long));
            header.CopyTo(padded.AsSpan(sizeof(long)));
            start = padded.Length;
            handle = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read, FileOptions.None, start + bytes);
            RandomAccess.Write(handle, padded, 0);
            RandomAccess.SetLength(handle, start + bytes);
        }

        /// <summary>Writes neighbouring rows.</summary>
        /// <param name="first">Number of the first row, from 0.</param>
        /// <param name="rows">The n rows, float32, [n, ...].</param>
        internal void Write(long first, Tensor rows)
        {
            var bytes = rows.ToBytes();
            RandomAccess.Write(handle, bytes, start + first * (bytes.Length / rows.Size(0)));
        }

        /// <summary>Puts what was written onto the disk.</summary>
        internal void Flush() => RandomAccess.FlushToDisk(handle);

        public void Dispose() => handle.Dispose();
    }
}
