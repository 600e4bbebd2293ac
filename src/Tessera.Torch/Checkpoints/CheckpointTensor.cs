using System.Runtime.InteropServices;

namespace Tessera.Checkpoints;

/// <summary>
/// A tensor as a checkpoint holds it: a strided view of a <see cref="CheckpointStorage"/>, nothing copied or
/// converted. Element (i, j, ...) is element <c>StorageOffset + i * Strides[0] + j * Strides[1] + ...</c> of the storage.
/// </summary>
public sealed class CheckpointTensor
{
    /// <summary>A tensor may repeat its elements by strides of zero, but not to more than this many bytes.</summary>
    const long MaxRepeatedBytes = 1L << 29;

    readonly ElementType elementType;
    readonly CheckpointStorage? storage;
    readonly Func<string, CheckpointException>? refusal;
    readonly long[] shape;
    readonly long[] strides;
    readonly long count;

    CheckpointTensor(string name, CheckpointStorage storage, ElementType elementType, long offset, long[] shape, long[] strides, long count)
    {
        Name = name;
        this.storage = storage;
        this.elementType = elementType;
        StorageOffset = offset;
        this.shape = shape;
        this.strides = strides;
        this.count = count;
    }

    CheckpointTensor(string name, string elementType, Func<string, CheckpointException> refusal)
    {
        Name = name;
        this.elementType = new(elementType, 0, null);
        this.refusal = refusal;
        (shape, strides) = ([], []);
    }

    /// <summary>A tensor that is in the file but cannot be read: whoever asks for its shape or its values gets the reason.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="elementType">What the file says of its elements.</param>
    /// <param name="refusal">The reason, for the name that the tensor then has.</param>
    internal static CheckpointTensor Refused(string name, string elementType, Func<string, CheckpointException> refusal) =>
        new(name, elementType, refusal);

    /// <summary>The name of the tensor in the file or, in pickled files, of its storage.</summary>
    public string Name { get; }

    /// <summary>The bytes that the tensor is a view of.</summary>
    /// <exception cref="CheckpointException">The tensor cannot be read; see <see cref="Refusal"/>.</exception>
    public CheckpointStorage Storage => storage ?? throw refusal!(Name);

    /// <summary>
    /// Why the tensor cannot be read: quantised, sparse, of an element type without counterpart, an array of objects. The other tensors
    /// of the file do not suffer from it. Null for a tensor that can be read.
    /// </summary>
    public CheckpointException? Refusal =>
        refusal?.Invoke(Name)
        ?? (elementType.Type is null ? new UnsupportedElementTypeException(Storage.Path, Name, elementType.Name) : null);

    /// <summary>The element type.</summary>
    /// <exception cref="UnsupportedElementTypeException">There is no such type here (unsigned beyond 8 bits, 8-bit floats).</exception>
    public DType DType => elementType.Type ?? throw new UnsupportedElementTypeException(Storage.Path, Name, elementType.Name);

    /// <summary>The element type's name, also of types that <see cref="DType"/> cannot express.</summary>
    public string ElementTypeName => elementType.Name;

    /// <summary>Sizes of the dimensions; empty for a scalar.</summary>
    /// <exception cref="CheckpointException">The tensor cannot be read; see <see cref="Refusal"/>.</exception>
    public ReadOnlySpan<long> Shape => refusal is null ? shape : throw refusal(Name);

    /// <summary>Strides of the dimensions in elements.</summary>
    public ReadOnlySpan<long> Strides => strides;

    /// <summary>Index in the storage of the first element, in elements.</summary>
    public long StorageOffset { get; }

    /// <summary>Number of elements.</summary>
    /// <exception cref="CheckpointException">The tensor cannot be read; see <see cref="Refusal"/>.</exception>
    public long Count => refusal is null ? count : throw refusal(Name);

    /// <summary>Bytes that the elements take when packed row-major.</summary>
    public long ByteLength => Count * elementType.Size;

    /// <summary>Whether the elements lie row-major without gaps.</summary>
    public bool IsContiguous
    {
        get
        {
            var expected = 1L;
            for (var i = shape.Length - 1; i >= 0; i--)
            {
                if (shape[i] != 1 && strides[i] != expected)
                    return Count == 0;
                expected *= shape[i];
            }
            return true;
        }
    }

    internal ElementType ElementType => elementType;

    /// <summary>The tensor with one element along each dimension that repeats one: what the others are copies of.</summary>
    internal CheckpointTensor WithoutRepetition()
    {
        long[] sizes = [.. Shape.ToArray().Select((size, i) => size > 1 && strides[i] == 0 ? 1 : size)];
        return View(Name, Storage, elementType, StorageOffset, sizes, strides);
    }

    /// <summary>The same view under another name.</summary>
    internal CheckpointTensor WithName(string name) =>
        refusal is null ? new(name, Storage, elementType, StorageOffset, shape, strides, count) : new(name, elementType.Name, refusal);

    /// <summary>A row-major tensor over an array of elements, which is copied.</summary>
    /// <exception cref="ArgumentException">The shape does not fit the number of elements.</exception>
    public static CheckpointTensor Create<T>(ReadOnlySpan<T> elements, params ReadOnlySpan<long> shape)
        where T : unmanaged => FromBytes(DTypes.Of<T>(), MemoryMarshal.AsBytes(elements).ToArray(), shape);

    /// <summary>A row-major tensor over bytes in memory, which are not copied.</summary>
    /// <exception cref="ArgumentException">The shape does not fit the number of bytes.</exception>
    public static CheckpointTensor FromBytes(DType type, byte[] bytes, params ReadOnlySpan<long> shape)
    {
        var count = 1L;
        foreach (var size in shape)
            count = checked(count * size);
        if (shape.ContainsAnyInRange(long.MinValue, -1) || count * type.Size() != bytes.Length)
            throw new ArgumentException(
                $"a {type.Name()} tensor of shape [{string.Join(", ", shape.ToArray())}] does not take {bytes.Length} bytes",
                nameof(shape)
            );
        return View(
            "(in memory)",
            CheckpointStorage.Owned(bytes, "(in memory)"),
            new ElementType(type),
            0,
            shape.ToArray(),
            RowMajor(shape)
        );
    }

    /// <summary>Strides of a row-major tensor.</summary>
    internal static long[] RowMajor(ReadOnlySpan<long> shape)
    {
        var strides = new long[shape.Length];
        var stride = 1L;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            // Shapes with a zero may multiply up to anything; the stride is then never used.
            stride = unchecked(stride * Math.Max(1, shape[i]));
        }
        return strides;
    }

    /// <summary>The product of two numbers that are not negative, if it fits.</summary>
    internal static bool TryMultiply(long a, long b, out long product) => Math.BigMul(a, b, out product) == 0 && product >= 0;

    /// <summary>A view, after checking that every element lies inside the storage.</summary>
    internal static CheckpointTensor View(
        string name,
        CheckpointStorage storage,
        ElementType type,
        long offset,
        long[] shape,
        long[] strides
    )
    {
        if (shape.Length != strides.Length || shape.Length > 64)
            throw Bad($"has {shape.Length} sizes and {strides.Length} strides: the numbers must be equal and at most 64");
        if (offset < 0)
            throw Bad($"must not begin at element {offset}");
        var (count, last, empty) = (1L, offset, Array.IndexOf(shape, 0) >= 0);
        for (var i = 0; i < shape.Length; i++)
        {
            if (shape[i] < 0)
                throw Bad($"has the negative size {shape[i]}");
            if (empty)
                continue;
            if (strides[i] < 0)
                throw Bad($"has the negative stride {strides[i]}");
            if (
                !TryMultiply(count, shape[i], out count)
                || !TryMultiply(shape[i] - 1, strides[i], out var reach)
                || reach > long.MaxValue - last
            )
                throw Bad("has too many elements to count");
            last += reach;
        }
        if (empty)
            return new CheckpointTensor(name, storage, type, offset, shape, strides, 0);
        if (last >= storage.ByteLength / type.Size)
            throw Bad($"reaches element {last} of a storage of {storage.ByteLength / type.Size} elements");
        // Expanded dimensions take no memory until they are packed.
        if (!TryMultiply(count, type.Size, out _))
            throw Bad("has too many elements to count");
        return new CheckpointTensor(name, storage, type, offset, shape, strides, count);

        CorruptCheckpointException Bad(string what) => new(storage.Path, $"tensor {name} of shape [{string.Join(", ", shape)}] {what}");
    }

    /// <summary>
    /// The bytes of a contiguous tensor where they lie, little-endian; for tensors under 2 GiB. See
    /// <see cref="CheckpointStorage.Slice"/> for how long they may be used.
    /// </summary>
    /// <exception cref="InvalidOperationException">The tensor is not contiguous or is too large for a span.</exception>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            if (!IsContiguous || ByteLength > int.MaxValue)
                throw new InvalidOperationException($"tensor {Name} is not contiguous or larger than 2 GiB; copy it instead");
            return Count == 0 ? [] : Storage.Slice(StorageOffset * elementType.Size, (int)ByteLength);
        }
    }

    /// <summary>The elements packed row-major, little-endian; for tensors under 2 GiB.</summary>
    /// <exception cref="CorruptCheckpointException">
    /// The bytes turn out to be damaged, or a small storage would be repeated to more than 512 MiB.
    /// </exception>
    public unsafe byte[] ToContiguousBytes()
    {
        if (ByteLength > Math.Max(Storage.ByteLength, MaxRepeatedBytes))
            throw new CorruptCheckpointException(
                Storage.Path,
                $"tensor {Name} of shape [{string.Join(", ", shape)}] repeats {Storage.ByteLength} bytes to more than "
                    + $"{MaxRepeatedBytes >> 20} MiB"
            );
        if (ByteLength > Array.MaxLength)
            throw new InvalidOperationException($"tensor {Name} is too large for an array; copy it to native memory instead");
        var bytes = new byte[ByteLength];
        fixed (byte* destination = bytes)
            CopyTo(destination, bytes.Length);
        return bytes;
    }

    /// <summary>Copies the elements, packed row-major, to memory of any size.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="byteLength">Size of that memory in bytes; must be <see cref="ByteLength"/>.</param>
    public unsafe void CopyTo(byte* destination, long byteLength)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(byteLength, ByteLength);
        if (Count == 0)
            return;
        using var pin = Storage.Pin();
        StridedCopy.Pack((byte*)pin.Pointer + StorageOffset * elementType.Size, destination, shape, strides, elementType.Size);
        GC.KeepAlive(Storage);
    }

    /// <summary>The elements in row-major order.</summary>
    /// <exception cref="InvalidOperationException"><typeparamref name="T"/> is not the element type; nothing is converted.</exception>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        if (DTypes.Of<T>() != DType)
            throw new InvalidOperationException($"tensor {Name} holds {DType.Name()}, not {typeof(T).Name}");
        return MemoryMarshal.Cast<byte, T>(ToContiguousBytes()).ToArray();
    }

    /// <summary>The elements of a floating-point tensor in row-major order, widened or (from float64) rounded to float32.</summary>
    /// <exception cref="InvalidOperationException">The elements are not real floating-point numbers.</exception>
    public float[] ToSingles() =>
        DType switch
        {
            DType.Float32 => ToArray<float>(),
            DType.Float16 => Array.ConvertAll(ToArray<Half>(), x => (float)x),
            DType.BFloat16 => Array.ConvertAll(ToArray<BFloat16>(), x => (float)x),
            DType.Float64 => Array.ConvertAll(ToArray<double>(), x => (float)x),
            _ => throw new InvalidOperationException($"tensor {Name} holds {DType.Name()}, not floating-point numbers"),
        };

    /// <summary>Type and shape: <c>float32[12, 4]</c>.</summary>
    public override string ToString() => refusal is null ? $"{elementType.Name}[{string.Join(", ", shape)}]" : elementType.Name;
}
