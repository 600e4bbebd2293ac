using System.Text.Json;

namespace Tessera.Checkpoints;

/// <summary>
/// The index of weights in several files: <c>{ "weight_map": { "tensor": "file", ... } }</c>, beside the files.
/// </summary>
internal static class ShardIndex
{
    public const string Suffix = ".index.json";
    const int MaxLength = 100_000_000;

    public static bool IsIndex(string path) => path.EndsWith(Suffix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Opens all files of an index.</summary>
    /// <exception cref="CorruptCheckpointException">The index is malformed, or a tensor is not where it says.</exception>
    /// <exception cref="UnsupportedCheckpointException">A file of the index is missing or lies elsewhere.</exception>
    public static Checkpoint Open(string path, CheckpointOptions options)
    {
        var map = Read(path);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string[] names = [.. map.Values.Distinct(StringComparer.Ordinal)];
        foreach (var name in names)
            if (name.Length == 0 || name is "." or ".." || name.AsSpan().ContainsAny('/', '\\', '\0'))
                throw new UnsupportedCheckpointException(path, $"the files must lie beside the index, but it names '{name}'");
        if (names.Where(name => !File.Exists(Path.Combine(folder, name))).ToArray() is { Length: > 0 } missing)
            throw new UnsupportedCheckpointException(
                path,
                $"{missing.Length} of its {names.Length} files are not beside the index: {Few(missing)}; download them too"
            );
        var parts = new Dictionary<string, Checkpoint>(StringComparer.Ordinal);
        try
        {
            foreach (var name in names)
                parts.Add(name, Checkpoint.Open(Path.Combine(folder, name), options, options.Stop));
            return new Checkpoint(path, [.. parts.Values], Join(path, map, parts));
        }
        catch
        {
            foreach (var part in parts.Values)
                part.Dispose();
            throw;
        }
    }

    static CheckpointDictionary Join(string path, IReadOnlyDictionary<string, string> map, Dictionary<string, Checkpoint> parts)
    {
        var weights = parts.ToDictionary(part => part.Key, part => part.Value.Root as CheckpointDictionary, StringComparer.Ordinal);
        var root = new CheckpointDictionary();
        foreach (var (tensor, name) in map)
            root[tensor] =
                weights[name]?.TryGetValue(tensor, out var value) == true
                    ? value
                    : throw new CorruptCheckpointException(path, $"tensor {tensor} must be in {name}, and is not");
        string[] beyond =
        [
            .. weights
                .SelectMany(part => (part.Value ?? []).Select(entry => entry.Key).OfType<string>())
                .Where(key => !map.ContainsKey(key)),
        ];
        return beyond.Length == 0
            ? root
            : throw new CorruptCheckpointException(path, $"the files hold tensors that the index lacks: {Few(beyond)}");
    }

    static OrderedDictionary<string, string> Read(string path)
    {
        using var file = FileBytes.Map(path);
        if (file.Length > MaxLength)
            throw new CorruptCheckpointException(path, $"an index must have at most {MaxLength} bytes, not {file.Length}");
        try
        {
            using var json = JsonDocument.Parse(file.Slice(0, (int)file.Length).ToArray());
            if (
                json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("weight_map", out var entries)
                || entries.ValueKind != JsonValueKind.Object
            )
                throw new CorruptCheckpointException(path, "an index must have a weight_map from the tensors' names to their files");
            var map = new OrderedDictionary<string, string>(StringComparer.Ordinal);
            foreach (var entry in entries.EnumerateObject())
                if (entry.Value.ValueKind != JsonValueKind.String || !map.TryAdd(entry.Name, entry.Value.GetString()!))
                    throw new CorruptCheckpointException(path, $"the weight_map must have one file for tensor {entry.Name}");
            return map.Count > 0 ? map : throw new CorruptCheckpointException(path, "the weight_map names no tensor");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new CorruptCheckpointException(path, $"the index is not valid JSON ({error.Message})", error);
        }
    }

    static string Few(string[] names) => string.Join(", ", names.Take(3)) + (names.Length > 3 ? ", ..." : "");
}
