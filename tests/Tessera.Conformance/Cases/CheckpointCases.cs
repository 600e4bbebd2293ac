using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Tessera.Checkpoints;

namespace Tessera.Conformance.Cases;

/// <summary>Every tensor and every other value of a file equals its listing, tensors bit for bit.</summary>
[Case("checkpoints.read", OnCpu = true)]
internal sealed class CheckpointRead : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var fields = run.Fields;
        using var checkpoint = Checkpoint.Open(CheckpointFiles.Beside(run));
        var tensors = new Dictionary<string, CheckpointTensor>();
        var scalars = new Dictionary<string, object?>();
        CheckpointFiles.Collect(checkpoint.Root, "", tensors, scalars);
        if (fields.Has("metadata"))
        {
            var metadata = fields.Object("metadata").Entries.ToDictionary(entry => entry.Key, entry => entry.Value.GetString());
            foreach (var (name, value) in metadata)
                if (checkpoint.Metadata.GetValueOrDefault(name) != value)
                    run.Fail($"metadata '{name}' is '{checkpoint.Metadata.GetValueOrDefault(name)}'");
            foreach (var extra in checkpoint.Metadata.Keys.Except(metadata.Keys))
                run.Fail($"metadata '{extra}' is not listed");
        }
        CheckpointFiles.CheckFormat(checkpoint, fields);
        var listed = fields.Objects("tensors");
        foreach (var extra in tensors.Keys.Except(listed.Select(t => t.String("path"))))
            run.Fail($"tensor '{extra}' is not listed");
        foreach (var expected in listed)
            CompareTensor(run, expected, tensors);
        (string Key, JsonElement Value)[] values = fields.Has("scalars") ? [.. fields.Object("scalars").Entries] : [];
        foreach (var extra in scalars.Keys.Except(values.Select(s => s.Key)))
            run.Fail($"value '{extra}' is not listed");
        foreach (var (name, expected) in values)
            if (!scalars.TryGetValue(name, out var value))
                run.Fail($"value '{name}' is missing");
            else if (CheckpointFiles.Describe(value, expected) is var text && text != expected.ToString())
                run.Fail($"value '{name}' is {text}, {expected} in the listing");
    }

    private static void CompareTensor(GoldenRun run, Config expected, Dictionary<string, CheckpointTensor> tensors)
    {
        var path = expected.String("path");
        if (!tensors.TryGetValue(path, out var tensor))
        {
            run.Fail($"tensor '{path}' is missing");
            return;
        }
        expected.Expect("dtype", tensor.DType.Name());
        expected.Expect("shape", tensor.Shape.ToArray());
        // Formats without views say nothing of their storage.
        if (expected.Has("stride"))
        {
            expected.Expect("stride", tensor.Strides.ToArray());
            expected.Expect("storage_offset", tensor.StorageOffset);
            expected.Expect("storage_size", tensor.Storage.ByteLength / tensor.DType.Size());
        }
        else
            expected.ExpectNone("storage_offset", "storage_size");
        using var scope = new Scope();
        var ours = tensor.ToTensor().ToArray<double>();
        var theirs = expected["values"].EnumerateArray().Select(GoldenFile.Number).ToArray();
        if (!ours.SequenceEqual(theirs))
            run.Fail($"{path}: other values");
    }
}

/// <summary>A file that names a function: it is refused, or the value becomes a placeholder; nothing is called.</summary>
[Case("checkpoints.forbidden", OnCpu = true)]
internal sealed class CheckpointForbidden : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var path = CheckpointFiles.Beside(run);
        using var checkpoint = Checkpoint.Open(path);
        CheckpointFiles.CheckFormat(checkpoint, run.Fields);
        // The sentence that says what this case does; it names the callable, which the refusal has to name.
        var expect = run.Fields.String("expect");
        var values = new Dictionary<string, object?>();
        CheckpointFiles.Collect(checkpoint.Root, "", [], values);
        if (!values.Values.Any(v => v is OpaqueRecord or GlobalReference))
            run.Fail("the call left no placeholder");
        try
        {
            using var strict = Checkpoint.Open(path, new CheckpointOptions(Strict: true));
            run.Fail("strict mode did not refuse the file");
        }
        catch (ForbiddenPickleException e)
        {
            if (e.GlobalName.Length == 0 || !expect.Contains(e.GlobalName, StringComparison.Ordinal))
                run.Fail($"the refusal names '{e.GlobalName}'; the file says: {expect}");
        }
    }
}

/// <summary>What the cases of checkpoints share: the file beside the listing, and its values by path.</summary>
internal static class CheckpointFiles
{
    public static string Beside(GoldenRun run) => Path.Combine(Path.GetDirectoryName(run.File.Path)!, run.Fields.String("file"));

    /// <summary>The format that the file says, in words that begin with its name, has to be the one that was found.</summary>
    public static void CheckFormat(Checkpoint checkpoint, Config fields)
    {
        var found = checkpoint.Format switch
        {
            CheckpointFormat.TorchZip => "torch zip",
            CheckpointFormat.TorchLegacy => "torch legacy",
            CheckpointFormat.Safetensors => "safetensors",
            CheckpointFormat.Pickle => "pickle",
            var other => throw new NotSupportedException($"checkpoints in the format {other}"),
        };
        var said = fields.String("file_format");
        if (!said.StartsWith(found, StringComparison.OrdinalIgnoreCase))
            throw new GoldenMismatchException($"'file_format' is '{said}', but the file is read as {found}");
    }

    public static void Collect(
        object? value,
        string path,
        Dictionary<string, CheckpointTensor> tensors,
        Dictionary<string, object?> scalars
    )
    {
        string Below(object? key) => path.Length == 0 ? $"{key}" : $"{path}/{key}";
        switch (value)
        {
            case CheckpointTensor tensor:
                tensors.Add(path, tensor);
                break;
            case CheckpointDictionary dictionary:
                foreach (var (key, item) in dictionary)
                    Collect(item, Below(key), tensors, scalars);
                break;
            case IEnumerable<object?> list:
                foreach (var (i, item) in list.Index())
                    Collect(item, Below(i), tensors, scalars);
                break;
            default:
                scalars.Add(path, value);
                break;
        }
    }

    public static string Describe(object? value, JsonElement expected) =>
        (value, expected.ToString()) switch
        {
            (OpaqueRecord record, _) => $"{record.TypeName} {Json(record.State)}",
            (double number, var text) when text.StartsWith("numpy scalar ", StringComparison.Ordinal) => string.Join(
                ' ',
                text.Split(' ')[..3]
            )
                + " "
                + number.ToString("R", CultureInfo.InvariantCulture),
            (double number, _) => number.ToString("R", CultureInfo.InvariantCulture),
            (BigInteger or long, _) => ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture),
            _ => value?.ToString() ?? "",
        };

    private static string Json(object? value) =>
        value switch
        {
            null => "null",
            bool truth => truth ? "true" : "false",
            string text => JsonSerializer.Serialize(text),
            double number => number.ToString("R", CultureInfo.InvariantCulture),
            IEnumerable<object?> list => $"[{string.Join(", ", list.Select(Json))}]",
            CheckpointDictionary fields => $"{{{string.Join(", ", fields.Select(f => $"{Json(f.Key)}: {Json(f.Value)}"))}}}",
            _ => ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture),
        };
}
