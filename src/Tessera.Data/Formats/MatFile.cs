using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Tessera.Data.Formats;

/// <summary>A numeric matrix of a MATLAB file.</summary>
/// <param name="Name">Of the variable.</param>
/// <param name="Shape">Sizes of the dimensions.</param>
/// <param name="Values">Column by column.</param>
internal sealed record MatMatrix(string Name, IReadOnlyList<int> Shape, IReadOnlyList<double> Values);

/// <summary>MATLAB files of version 5 to 7: numeric matrices, and lists of structures of numbers and text; cells are left out.</summary>
internal static class MatFile
{
    private const int HeaderSize = 128;
    private const int MatrixType = 14;
    private const int CompressedType = 15;
    private const int LargestInflated = 64 << 20;

    /// <summary>Reads all numeric matrices.</summary>
    /// <exception cref="DataFormatException">Not such a file, or a damaged one; version 7.3 (HDF5) is not read.</exception>
    public static IReadOnlyDictionary<string, MatMatrix> Read(string path)
    {
        return Elements(path)
            .Select(element => Matrix(path, element))
            .OfType<MatMatrix>()
            .GroupBy(matrix => matrix.Name)
            .ToDictionary(group => group.Key, group => group.Last());
    }

    private static List<Element> Elements(string path)
    {
        var file = DataFiles.ReadAll(path);
        if (file.AsSpan().StartsWith("MATLAB 7.3"u8) || file.AsSpan().StartsWith<byte>([0x89, (byte)'H', (byte)'D', (byte)'F']))
            throw new DataFormatException(path, 0, "version 7.3 (HDF5) is not read: save it with -v7 in MATLAB");
        if (file.Length < HeaderSize)
            throw new DataFormatException(path, file.Length, $"cut off: {file.Length} bytes, and the header alone has {HeaderSize}");
        if (file[126] != 'I' || file[127] != 'M' || file[125] != 1)
            throw new DataFormatException(path, 124, "not a little-endian MATLAB 5 file");
        var result = new List<Element>();
        var position = HeaderSize;
        while (position < file.Length)
        {
            var element = Next(path, file, ref position, aligned: false);
            if (element.Type == CompressedType)
            {
                var inflated = Inflate(path, element);
                var inner = 0;
                element = Next(path, inflated, ref inner, aligned: true);
            }
            if (element.Type == MatrixType)
                result.Add(element);
        }
        return result;
    }

    /// <summary>The values of a matrix as integers.</summary>
    /// <exception cref="DataFormatException">There is no such matrix, or it holds other numbers.</exception>
    public static int[] Integers(string path, string name)
    {
        var matrices = Read(path);
        if (!matrices.TryGetValue(name, out var matrix))
            throw new DataFormatException(path, null, $"no matrix '{name}': there are {string.Join(", ", matrices.Keys)}");
        return
        [
            .. matrix.Values.Select(value =>
                value == Math.Floor(value) && Math.Abs(value) <= int.MaxValue
                    ? (int)value
                    : throw new DataFormatException(path, null, $"'{name}' holds {value}, and must hold integers")
            ),
        ];
    }

    private readonly record struct Element(int Type, ReadOnlyMemory<byte> Data, long Offset);

    private static Element Next(string path, ReadOnlyMemory<byte> memory, ref int position, bool aligned)
    {
        var bytes = memory.Span;
        if (position + 8 > bytes.Length)
            throw new DataFormatException(path, position, "cut off inside of an element's head");
        var (first, second) = (
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[position..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[(position + 4)..])
        );
        if (first >> 16 != 0)
        {
            // The small form: size and type share a word, the data is the next.
            var small = (int)(first >> 16);
            if (small > 4)
                throw new DataFormatException(path, position, $"a small element of {small} bytes: it must have at most 4");
            var result = new Element((int)(first & 0xFFFF), memory.Slice(position + 4, small), position);
            position += 8;
            return result;
        }
        if (second > bytes.Length - position - 8)
            throw new DataFormatException(
                path,
                position,
                $"an element of {second} bytes, of which {bytes.Length - position - 8} are there"
            );
        var element = new Element((int)first, memory.Slice(position + 8, (int)second), position);
        position += 8 + (int)second;
        // Only compressed elements are not padded to whole words of 8 bytes.
        if (aligned || first != CompressedType)
            position = Math.Min((position + 7) / 8 * 8, bytes.Length);
        return element;
    }

    private static byte[] Inflate(string path, Element element)
    {
        try
        {
            using var stream = new ZLibStream(new MemoryStream(element.Data.ToArray()), CompressionMode.Decompress);
            using var result = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int read; (read = stream.Read(buffer)) > 0; )
            {
                result.Write(buffer, 0, read);
                if (result.Length > LargestInflated)
                    throw new DataFormatException(path, element.Offset, $"a compressed element of more than {LargestInflated} bytes");
            }
            return result.ToArray();
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw new DataFormatException(path, element.Offset, "damaged compressed element", error);
        }
    }

    private static MatMatrix? Matrix(string path, Element matrix)
    {
        var position = 0;
        var flags = Next(path, matrix.Data, ref position, aligned: true);
        if (flags.Data.Length < 8)
            throw new DataFormatException(path, matrix.Offset, "a matrix without flags");
        // Classes 6 to 15 are numbers; the rest are cells, structures, text and sparse matrices.
        if (flags.Data.Span[0] is < 6 or > 15)
            return null;
        var shape = Numbers(path, Next(path, matrix.Data, ref position, aligned: true));
        var name = Encoding.ASCII.GetString(Next(path, matrix.Data, ref position, aligned: true).Data.Span);
        var values = Numbers(path, Next(path, matrix.Data, ref position, aligned: true));
        var count = 1.0;
        foreach (var size in shape)
            count *= size;
        if (shape.Any(size => size < 0) || count != values.Length)
            throw new DataFormatException(
                path,
                matrix.Offset,
                $"matrix '{name}': {values.Length} values for a shape of {string.Join("x", shape)}"
            );
        return new(name, [.. shape.Select(size => (int)size)], values);
    }

    /// <summary>
    /// A list of structures: per structure its fields by name, as a <see cref="MatMatrix"/> or a string; fields of other kinds are null.
    /// </summary>
    /// <exception cref="DataFormatException">There is no such list.</exception>
    public static IReadOnlyList<IReadOnlyDictionary<string, object?>> Structures(string path, string name)
    {
        foreach (var element in Elements(path))
            if (Structures(path, element) is { } found && found.Name == name)
                return found.Items;
        throw new DataFormatException(path, null, $"no list of structures '{name}'");
    }

    private static (string Name, List<IReadOnlyDictionary<string, object?>> Items)? Structures(string path, Element matrix)
    {
        var position = 0;
        var flags = Next(path, matrix.Data, ref position, aligned: true);
        if (flags.Data.Length < 8 || flags.Data.Span[0] != 2)
            return null;
        var shape = Numbers(path, Next(path, matrix.Data, ref position, aligned: true));
        var name = Encoding.ASCII.GetString(Next(path, matrix.Data, ref position, aligned: true).Data.Span);
        var width = Numbers(path, Next(path, matrix.Data, ref position, aligned: true)) is [>= 1 and <= 256 and var size]
            ? (int)size
            : throw new DataFormatException(path, matrix.Offset, "structures without names of fields");
        var names = Next(path, matrix.Data, ref position, aligned: true).Data;
        var fields = Enumerable
            .Range(0, names.Length / width)
            .Select(i => Encoding.ASCII.GetString(names.Span.Slice(i * width, width)).TrimEnd('\0'))
            .ToArray();
        // Without fields nothing would bound how many there are.
        if (fields.Length == 0)
            throw new DataFormatException(path, matrix.Offset, "structures without fields");
        var items = new List<IReadOnlyDictionary<string, object?>>();
        var count = shape.Aggregate(1.0, (product, length) => product * length);
        for (var i = 0; i < count; i++)
        {
            var item = new Dictionary<string, object?>();
            foreach (var field in fields)
            {
                var value = Next(path, matrix.Data, ref position, aligned: true);
                item[field] = (object?)Text(path, value) ?? Matrix(path, value);
            }
            items.Add(item);
        }
        return (name, items);
    }

    private static string? Text(string path, Element matrix)
    {
        var position = 0;
        var flags = Next(path, matrix.Data, ref position, aligned: true);
        if (flags.Data.Length < 8 || flags.Data.Span[0] != 4)
            return null;
        Next(path, matrix.Data, ref position, aligned: true);
        Next(path, matrix.Data, ref position, aligned: true);
        var text = Next(path, matrix.Data, ref position, aligned: true);
        // UTF-8 has a type of its own; else characters are numbers.
        return text.Type == 16 ? Encoding.UTF8.GetString(text.Data.Span) : string.Concat(Numbers(path, text).Select(value => (char)value));
    }

    // Numbers are stored in the smallest type that holds them, whatever the matrix' class.
    private static double[] Numbers(string path, Element element)
    {
        var width = element.Type switch
        {
            1 or 2 => 1,
            3 or 4 => 2,
            5 or 6 or 7 => 4,
            9 or 12 or 13 => 8,
            _ => throw new DataFormatException(path, element.Offset, $"numbers of type {element.Type}"),
        };
        var data = element.Data.Span;
        var result = new double[data.Length / width];
        for (var i = 0; i < result.Length; i++)
        {
            var value = data.Slice(i * width, width);
            result[i] = element.Type switch
            {
                1 => (sbyte)value[0],
                2 => value[0],
                3 => BinaryPrimitives.ReadInt16LittleEndian(value),
                4 => BinaryPrimitives.ReadUInt16LittleEndian(value),
                5 => BinaryPrimitives.ReadInt32LittleEndian(value),
                6 => BinaryPrimitives.ReadUInt32LittleEndian(value),
                7 => BinaryPrimitives.ReadSingleLittleEndian(value),
                9 => BinaryPrimitives.ReadDoubleLittleEndian(value),
                12 => BinaryPrimitives.ReadInt64LittleEndian(value),
                _ => BinaryPrimitives.ReadUInt64LittleEndian(value),
            };
        }
        return result;
    }
}
