using System.Text.Json;

namespace Tessera.Checkpoints;

/// <summary>How weights are written by <see cref="SafetensorsExport"/>.</summary>
public sealed record SafetensorsExportOptions
{
    /// <summary>Type of all floating-point tensors; null leaves each as it is. Whole numbers and truth values always stay.</summary>
    public DType? FloatType { get; init; }

    /// <summary>Most bytes of tensors in one file, so that several are written with an index; a larger tensor has a file of its own.</summary>
    public long? ShardBytes { get; init; }

    /// <summary>Whether files that are there are replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Entries of the files' metadata, beside <c>"format": "pt"</c>.</summary>
    public IEnumerable<KeyValuePair<string, string>> Metadata { get; init; } = [];
}

/// <summary>What was written.</summary>
/// <param name="Files">The files; of several, the index is the last.</param>
/// <param name="Tensors">Number of tensors.</param>
/// <param name="Values">Their elements.</param>
/// <param name="Bytes">What these take.</param>
public sealed record SafetensorsExportResult(IReadOnlyList<string> Files, int Tensors, long Values, long Bytes);

/// <summary>A file is there already and may not be replaced.</summary>
/// <param name="path">The file.</param>
public sealed class FileExistsException(string path) : IOException($"{path}: the file is there already, and is not replaced unasked")
{
    /// <summary>The file.</summary>
    public string Path { get; } = path;
}

/// <summary>
/// Writes weights as safetensors, in one file or in several with the index of the Hugging Face hub. Files are written beside their places,
/// read back and compared value by value; only then are they renamed.
/// </summary>
public static class SafetensorsExport
{
    const string Extension = ".safetensors";

    /// <summary>Writes weights.</summary>
    /// <param name="path">
    /// The file, whose name ends with <c>.safetensors</c>. Where several are needed, <c>model.safetensors</c> becomes
    /// <c>model-00001-of-00002.safetensors</c> and so on, with <c>model.safetensors.index.json</c>.
    /// </param>
    /// <param name="tensors">The weights by name, in the order in which they are spread over files.</param>
    /// <param name="options">Type, sizes and metadata.</param>
    /// <param name="stop">Ends the writing; nothing is left of it then.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="FileExistsException">A file is there already.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    /// <exception cref="CheckpointException">
    /// A tensor cannot be read, its type is not one of safetensors, the type that is wanted cannot hold a value, or what was written does
    /// not read back as it should.
    /// </exception>
    public static SafetensorsExportResult Write(
        string path,
        IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors,
        SafetensorsExportOptions? options = null,
        CancellationToken stop = default
    )
    {
        options ??= new();
        if (!path.EndsWith(Extension, StringComparison.Ordinal))
            throw new ArgumentException($"the name of the file must end with {Extension}, not be {path}", nameof(path));
        if (options.ShardBytes < 1)
            throw new ArgumentException("a file must be allowed at least 1 byte", nameof(options));
        if (options.FloatType is { } wanted && !wanted.IsFloat())
            throw new ArgumentException($"{wanted.Name()} does not hold floating-point numbers", nameof(options));
        KeyValuePair<string, CheckpointTensor>[] all = [.. tensors];
        foreach (var (name, tensor) in all)
            Check(name, tensor);
        var shards = Shards(all, options);
        string[] names = shards.Count == 1 ? [path] : [.. shards.Select((_, i) => ShardName(path, i, shards.Count))];
        var index = path + ShardIndex.Suffix;
        string[] files = shards.Count == 1 ? names : [.. names, index];
        string[] stale = [.. ((string[])[path, index]).Except(files).Where(File.Exists)];
        if (!options.Overwrite && files.Concat(stale).FirstOrDefault(File.Exists) is { } present)
            throw new FileExistsException(present);

        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var mark = $".{Guid.NewGuid():N}.tmp";
        try
        {
            foreach (var (name, shard) in names.Zip(shards))
                WriteChecked(name + mark, name, shard, options, stop);
            if (shards.Count > 1)
                AtomicFile.Write(index + mark, stream => WriteIndex(stream, names, shards, options));
            // The index comes last: it is what a reader begins with.
            foreach (var file in files)
                File.Move(file + mark, file, overwrite: options.Overwrite);
        }
        finally
        {
            foreach (var file in files)
                File.Delete(file + mark);
        }
        // A reader of the folder would take what was there before instead.
        foreach (var file in stale)
            File.Delete(file);
        return new(files, all.Length, all.Sum(entry => entry.Value.Count), all.Sum(entry => Bytes(entry.Value, options)));
    }

    static void Check(string name, CheckpointTensor tensor)
    {
        if (tensor.Refusal is { } refused)
            throw refused;
        if (ElementType.SafetensorsName(tensor.DType) is null)
            throw new UnsupportedElementTypeException(tensor.Storage.Path, name, tensor.ElementTypeName);
        if (name == SafetensorsReader.MetadataKey)
            throw new CheckpointException(tensor.Storage.Path, $"a tensor has the name {name}, which safetensors keeps for its metadata");
    }

    static List<List<KeyValuePair<string, CheckpointTensor>>> Shards(
        KeyValuePair<string, CheckpointTensor>[] tensors,
        SafetensorsExportOptions options
    )
    {
        List<List<KeyValuePair<string, CheckpointTensor>>> shards =
        [
            [],
        ];
        var bytes = 0L;
        foreach (var entry in tensors)
        {
            var more = Bytes(entry.Value, options);
            if (options.ShardBytes is { } most && shards[^1].Count > 0 && bytes > most - more)
            {
                shards.Add([]);
                bytes = 0;
            }
            shards[^1].Add(entry);
            bytes += more;
        }
        return shards;
    }

    static DType TypeOf(CheckpointTensor tensor, SafetensorsExportOptions options) =>
        tensor.DType.IsFloat() ? options.FloatType ?? tensor.DType : tensor.DType;

    static long Bytes(CheckpointTensor tensor, SafetensorsExportOptions options) => tensor.Count * TypeOf(tensor, options).Size();

    static string ShardName(string path, int index, int count) =>
        FormattableString.Invariant($"{path[..^Extension.Length]}-{index + 1:D5}-of-{count:D5}{Extension}");

    static void WriteChecked(
        string temporary,
        string path,
        IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors,
        SafetensorsExportOptions options,
        CancellationToken stop
    )
    {
        // Converted values live until the file is written.
        using var scope = new Scope();
        KeyValuePair<string, CheckpointTensor>[] converted =
        [
            .. tensors.Select(entry => KeyValuePair.Create(entry.Key, Converted(entry.Key, entry.Value, TypeOf(entry.Value, options)))),
        ];
        SafetensorsWriter.Write(temporary, converted, options.Metadata, stop);
        using var written = Checkpoint.Open(temporary, stop: stop);
        var root = (CheckpointDictionary)written.Root!;
        if (root.Count != converted.Length)
            throw new CheckpointException(path, $"{converted.Length} tensors were written, and {root.Count} read back");
        foreach (var (name, expected) in converted)
            if (!root.TryGetValue(name, out var value) || value is not CheckpointTensor tensor || !Equal(expected, tensor, stop))
                throw new CheckpointException(path, $"tensor {name} does not read back as it was written");
    }

    static CheckpointTensor Converted(string name, CheckpointTensor tensor, DType type)
    {
        if (tensor.DType == type)
            return tensor;
        var given = tensor.ToTensor();
        var converted = given.To(type);
        if (!given.Isinf().Equal(converted.Isinf()))
            throw new CheckpointException(
                tensor.Storage.Path,
                $"tensor {name} has values of {tensor.ElementTypeName} that {type.Name()} cannot hold"
                    + (type == DType.Float16 ? ": bfloat16 can" : "")
            );
        return converted.ToCheckpoint();
    }

    static bool Equal(CheckpointTensor expected, CheckpointTensor written, CancellationToken stop)
    {
        if (expected.DType != written.DType || !expected.Shape.SequenceEqual(written.Shape))
            return false;
        var (position, equal) = (written.StorageOffset * written.DType.Size(), true);
        TensorBytes.Write(
            expected,
            part =>
            {
                equal &= part.SequenceEqual(written.Storage.Slice(position, part.Length));
                position += part.Length;
            },
            stop
        );
        return equal;
    }

    static void WriteIndex(
        Stream stream,
        string[] names,
        IReadOnlyList<IReadOnlyList<KeyValuePair<string, CheckpointTensor>>> shards,
        SafetensorsExportOptions options
    )
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", shards.Sum(shard => shard.Sum(entry => Bytes(entry.Value, options))));
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach (var (name, shard) in names.Zip(shards))
        foreach (var (tensor, _) in shard)
            json.WriteString(tensor, Path.GetFileName(name));
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
