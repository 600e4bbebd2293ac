using System.Buffers.Binary;
using System.Text.Json;

namespace Tessera.Checkpoints;

/// <summary>
/// Reads safetensors: eight bytes that give the length of a JSON header, the header, then the tensors' bytes,
/// row-major and little-endian.
/// </summary>
internal static class SafetensorsReader
{
    public const long MaxHeader = 100_000_000;
    public const string MetadataKey = "__metadata__";

    /// <summary>A tensor of the header; the type is empty for elements smaller than a byte, which only have a name.</summary>
    sealed record Description(string Name, ElementType Type, string TypeName, long[] Shape, long Begin, long End);

    /// <summary>Whether a file begins like one.</summary>
    public static bool Recognises(ReadOnlySpan<byte> head, long fileLength) =>
        head.Length > 8
        && head[8] == '{'
        && BinaryPrimitives.ReadUInt64LittleEndian(head) is var length
        && length >= 2
        && length <= (ulong)Math.Min(MaxHeader, fileLength - 8);

    public static (CheckpointDictionary Root, Dictionary<string, string> Metadata) Read(FileBytes file)
    {
        if (file.Length < 8)
            throw new CorruptCheckpointException(file.Path, "the file is too short for safetensors");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(0, 8));
        if (length > MaxHeader || (long)length > file.Length - 8)
            throw new CorruptCheckpointException(file.Path, $"the header of {length} bytes exceeds the file or {MaxHeader} bytes");
        var header = file.Slice(8, (int)length);
        var metadata = new Dictionary<string, string>();
        List<Description> tensors;
        try
        {
            tensors = ReadHeader(header, metadata, file.Path);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The reader throws the latter for text that is no UTF-8.
            throw new CorruptCheckpointException(file.Path, $"the header is not valid JSON ({e.Message})", e);
        }

        var dataStart = 8 + (long)length;
        CheckCoverage(tensors, file.Length - dataStart, file.Path);
        var root = new CheckpointDictionary();
        foreach (var t in tensors)
            root[t.Name] =
                t.Type.Size == 0
                    ? CheckpointTensor.Refused(t.Name, t.TypeName, name => new UnsupportedElementTypeException(file.Path, name, t.TypeName))
                    : CheckpointTensor.View(
                        t.Name,
                        CheckpointStorage.Mapped(file, dataStart + t.Begin, t.End - t.Begin),
                        t.Type,
                        0,
                        t.Shape,
                        CheckpointTensor.RowMajor(t.Shape)
                    );
        return (root, metadata);
    }

    static List<Description> ReadHeader(ReadOnlySpan<byte> header, Dictionary<string, string> metadata, string path)
    {
        var json = new Utf8JsonReader(header);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject || header[0] != '{')
            throw new CorruptCheckpointException(path, "the header must begin with {");
        var names = new HashSet<string>();
        var tensors = new List<Description>();
        while (json.Read() && json.TokenType != JsonTokenType.EndObject)
        {
            var name = json.GetString()!;
            if (!names.Add(name))
                throw new CorruptCheckpointException(path, $"the header has two entries called {name}");
            json.Read();
            if (name == MetadataKey)
                ReadMetadata(ref json, metadata, path);
            else
                tensors.Add(ReadTensor(ref json, name, path));
        }
        if (json.Read())
            throw new CorruptCheckpointException(path, "something follows the header's closing brace");
        return tensors;
    }

    static void ReadMetadata(ref Utf8JsonReader json, Dictionary<string, string> metadata, string path)
    {
        // Some writers have null where there is none.
        if (json.TokenType == JsonTokenType.Null)
            return;
        if (json.TokenType != JsonTokenType.StartObject)
            throw new CorruptCheckpointException(path, "the metadata must be an object");
        while (json.Read() && json.TokenType != JsonTokenType.EndObject)
        {
            var key = json.GetString()!;
            json.Read();
            if (json.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
                throw new CorruptCheckpointException(path, $"the metadata's {key} must be text");
            if (!metadata.TryAdd(key, json.GetString() ?? ""))
                throw new CorruptCheckpointException(path, $"the metadata has two entries called {key}");
        }
    }

    static Description ReadTensor(ref Utf8JsonReader json, string name, string path)
    {
        if (json.TokenType != JsonTokenType.StartObject)
            throw Bad("must be an object");
        ElementType? type = null;
        var (typeName, bits) = ("", 0L);
        long[]? shape = null,
            offsets = null;
        while (json.Read() && json.TokenType != JsonTokenType.EndObject)
        {
            var field = json.GetString();
            json.Read();
            switch (field)
            {
                case "dtype" when type is null && json.TokenType == JsonTokenType.String:
                    typeName = json.GetString()!;
                    bits = ElementType.BitsOfPacked(typeName);
                    type =
                        ElementType.FromSafetensors(typeName, out var known) ? known
                        : bits > 0 ? default
                        : throw Bad($"has the unknown dtype {typeName}");
                    break;
                case "shape" when shape is null:
                    shape = ReadIntegers(ref json);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadIntegers(ref json);
                    break;
                default:
                    throw Bad($"has the field {field} twice, of the wrong type, or in the wrong place");
            }
        }
        if (type is not { } element || shape is null || offsets is not [var begin, var end])
            throw Bad("lacks one of dtype, shape and two data_offsets");

        var bytes = bits > 0 ? bits : element.Size;
        foreach (var size in shape)
        {
            // Beyond this only a zero can still bring it back to a length that fits.
            if (!CheckpointTensor.TryMultiply(bytes, size, out bytes))
                throw Bad("has too many elements to count");
        }
        if (bits > 0)
            bytes = bytes % 8 == 0 ? bytes / 8 : throw Bad($"has elements of {bits} bits that do not fill its last byte");
        if (begin > end || end - begin != bytes)
            throw Bad($"takes {bytes} bytes, but its data_offsets are {begin} and {end}");
        return new Description(name, element, typeName, shape, begin, end);

        long[] ReadIntegers(ref Utf8JsonReader json)
        {
            if (json.TokenType != JsonTokenType.StartArray)
                throw Bad("must have an array as its shape and its data_offsets");
            var numbers = new List<long>();
            while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                numbers.Add(
                    json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var number) && number >= 0
                        ? number
                        : throw Bad("must have non-negative integers in its shape and its data_offsets")
                );
            return [.. numbers];
        }

        CorruptCheckpointException Bad(string what) => new(path, $"tensor {name} {what}");
    }

    static void CheckCoverage(List<Description> tensors, long dataLength, string path)
    {
        var covered = 0L;
        foreach (
            var t in tensors.Order(
                Comparer<Description>.Create((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End))
            )
        )
        {
            if (t.Begin != covered)
                throw new CorruptCheckpointException(path, $"tensor {t.Name} must begin at byte {covered} of the data, not {t.Begin}");
            covered = t.End;
        }
        if (covered != dataLength)
            throw new CorruptCheckpointException(path, $"the tensors take {covered} bytes, the file holds {dataLength}");
    }
}
