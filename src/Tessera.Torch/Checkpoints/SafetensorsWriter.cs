using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tessera.Checkpoints;

/// <summary>Writes safetensors, larger elements first, so that every tensor lies aligned to its element size.</summary>
internal static class SafetensorsWriter
{
    public static void Write(
        string path,
        IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata,
        CancellationToken stop
    )
    {
        var ordered = tensors
            .Select(pair => (Name: pair.Key, Tensor: pair.Value, Type: TypeName(path, pair.Key, pair.Value)))
            .OrderByDescending(t => t.Tensor.ElementType.Size)
            .ThenBy(t => t.Name, StringComparer.Ordinal)
            .ToArray();
        var names = new HashSet<string> { SafetensorsReader.MetadataKey };
        foreach (var (name, _, _) in ordered)
            if (!names.Add(name))
                throw new ArgumentException(
                    $"{path}: two tensors are called {name}, or a tensor has the name reserved for metadata",
                    nameof(tensors)
                );

        var header = Header(ordered, metadata ?? []);
        if (header.Length > SafetensorsReader.MaxHeader)
            throw new ArgumentException(
                $"{path}: the header must have at most {SafetensorsReader.MaxHeader} bytes, not {header.Length}",
                nameof(tensors)
            );
        AtomicFile.Write(path, stream =>
        {
            stream.Write(BitConverter.GetBytes((ulong)header.Length));
            stream.Write(header);
            foreach (var (_, tensor, _) in ordered)
                TensorBytes.Write(tensor, stream.Write, stop);
        });
    }

    static string TypeName(string path, string name, CheckpointTensor tensor) =>
        ElementType.SafetensorsName(tensor.DType) ?? throw new UnsupportedElementTypeException(path, name, tensor.ElementTypeName);

    static byte[] Header((string Name, CheckpointTensor Tensor, string Type)[] tensors, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject(SafetensorsReader.MetadataKey);
            foreach (var (key, value) in metadata.Prepend(new("format", "pt")).Reverse().DistinctBy(pair => pair.Key).Reverse())
                json.WriteString(key, value);
            json.WriteEndObject();
            var begin = 0L;
            foreach (var (name, tensor, type) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(begin);
                json.WriteNumberValue(begin += tensor.ByteLength);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }
}
