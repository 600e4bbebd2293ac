using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>A numpy dtype: its type string, and the byte order that BUILD tells.</summary>
internal sealed class NumpyType(string descr, CheckpointTuple arguments) : OpaqueRecord("numpy.dtype", arguments)
{
    string order = descr is ['<' or '>' or '|' or '=', ..] ? descr[..1] : "";

    string Code => descr.TrimStart('<', '>', '|', '=');

    /// <summary>State is a tuple (version, byte order, ...).</summary>
    public void Build(object? state, in PickleCursor at)
    {
        if (state is not CheckpointTuple { Count: >= 2 } tuple || tuple[1] is not string told)
            throw at.Corrupt("the state of a numpy dtype does not have numpy's form");
        order = told;
        State = state;
    }

    /// <summary>Whether the most significant byte comes first, which is so for single bytes in no sense that matters.</summary>
    public bool IsBigEndian => order == ">" && Code is not ['b' or 'i' or 'u', '1'];

    /// <summary>The element type; false for text, records, objects and dates.</summary>
    public bool TryElement(out ElementType type) => ElementType.FromNumpy(Code, out type);

    /// <summary>The array of a big-endian type.</summary>
    public CheckpointTensor Refused(string path, string name) =>
        CheckpointTensor.Refused(name, $">{Code}", array => new UnsupportedCheckpointException(
            path,
            $"{array} has big-endian elements (>{Code}), which are not supported; save it with elements of <{Code}"
        ));

    /// <summary>A single number from its bytes, or an opaque record where it is not a number.</summary>
    public object? Scalar(CheckpointTuple arguments, in PickleCursor at)
    {
        if (arguments.Count < 2 || NumpyArray.AsBytes(arguments[1]) is not { } bytes || !TryElement(out var type))
            return new OpaqueRecord("numpy.core.multiarray.scalar", arguments);
        if (bytes.Length != type.Size)
            throw at.Corrupt($"a numpy {type.Name} has {bytes.Length} bytes");
        if (IsBigEndian)
            bytes = [.. bytes.Reverse()];
        return Code switch
        {
            "f8" => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            "f4" => (double)BinaryPrimitives.ReadSingleLittleEndian(bytes),
            "f2" => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes),
            "i8" => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            "i4" => (long)BinaryPrimitives.ReadInt32LittleEndian(bytes),
            "i2" => (long)BinaryPrimitives.ReadInt16LittleEndian(bytes),
            "i1" => (long)(sbyte)bytes[0],
            "u1" => (long)bytes[0],
            "u2" => (long)BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            "u4" => (long)BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            "u8" => Unsigned(BinaryPrimitives.ReadUInt64LittleEndian(bytes)),
            "b1" => bytes[0] != 0,
            _ => new OpaqueRecord("numpy.core.multiarray.scalar", arguments),
        };

        static object Unsigned(ulong value) => value <= long.MaxValue ? (object)(long)value : (BigInteger)value;
    }
}

/// <summary>A numpy array whose contents BUILD has not told yet.</summary>
internal sealed class NumpyArray(CheckpointTuple arguments) : OpaqueRecord("numpy.ndarray", arguments)
{
    /// <summary>Where the memo refers to it.</summary>
    public List<uint> MemoIndices { get; } = [];

    /// <summary>
    /// State is a tuple (version, shape, dtype, Fortran order, bytes). Returns a tensor; the list of objects for an array
    /// of objects; this record with its state for other types.
    /// </summary>
    public object? Build(object? state, in PickleCursor at, string path)
    {
        if (
            state is not CheckpointTuple { Count: 5 } tuple
            || tuple[1] is not CheckpointTuple sizes
            || tuple[2] is not NumpyType type
            || tuple[3] is not (bool or long)
        )
            throw at.Corrupt("the state of a numpy array does not have numpy's form");
        State = state;
        if (tuple[4] is List<object?> objects)
            return objects;
        if (!type.TryElement(out var element))
            return this;
        if (type.IsBigEndian)
            return type.Refused(path, "a numpy array");
        if (AsBytes(tuple[4]) is not { } bytes)
            throw at.Corrupt("the contents of a numpy array must be bytes");

        var shape = Rebuilders.Integers(sizes, "a numpy array's shape", at);
        return View(path, "a numpy array", CheckpointStorage.Owned(bytes, path), element, shape, tuple[3] is true or 1L);
    }

    /// <summary>
    /// What numpy's <c>_frombuffer</c> makes of its arguments (contents, dtype, shape, order), as protocol 5 has it; an opaque record
    /// where the elements are no numbers.
    /// </summary>
    public static object FromBuffer(CheckpointTuple arguments, in PickleCursor at, string path)
    {
        if (arguments is not [var contents, NumpyType type, CheckpointTuple sizes, string order] || AsBytes(contents) is not { } bytes)
            throw at.Corrupt("numpy's _frombuffer takes bytes, a dtype, a shape and an order");
        if (!type.TryElement(out var element))
            return new OpaqueRecord("numpy.ndarray", arguments);
        return type.IsBigEndian
            ? type.Refused(path, "a numpy array")
            : View(
                path,
                "a numpy array",
                CheckpointStorage.Owned(bytes, path),
                element,
                Rebuilders.Integers(sizes, "a numpy array's shape", at),
                order == "F"
            );
    }

    /// <summary>A tensor that takes its storage exactly, row-major or column-major (Fortran order).</summary>
    public static CheckpointTensor View(
        string path,
        string name,
        CheckpointStorage storage,
        ElementType element,
        long[] shape,
        bool fortran
    )
    {
        var strides = CheckpointTensor.RowMajor(shape);
        if (fortran)
        {
            var reversed = shape.Reverse().ToArray();
            strides = CheckpointTensor.RowMajor(reversed);
            strides.AsSpan().Reverse();
        }
        // The wrapped-around product of a hostile shape cannot pass, since the view checks every index beforehand.
        var tensor = CheckpointTensor.View(name, storage, element, 0, shape, strides);
        return tensor.ByteLength == storage.ByteLength
            ? tensor
            : throw new CorruptCheckpointException(
                path,
                $"{name}: an array of shape [{string.Join(", ", shape)}] and type {element.Name} "
                    + $"must have {tensor.ByteLength} bytes, not {storage.ByteLength}"
            );
    }

    /// <summary>Bytes; Python 2 wrote them as strings.</summary>
    public static byte[]? AsBytes(object? value) =>
        value switch
        {
            byte[] bytes => bytes,
            string text when text.All(c => c < 256) => Encoding.Latin1.GetBytes(text),
            _ => null,
        };
}
