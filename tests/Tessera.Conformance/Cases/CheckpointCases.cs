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
        var root = run.File.Root;
        using var checkpoint = Checkpoint.Open(CheckpointFiles.Beside(run));
        var tensors = new Dictionary<string, CheckpointTensor>();
        var scalars = new Dictionary<string, object?>();
        CheckpointFiles.Collect(checkpoint.Root, "", tensors, scalars);
        if (root.TryGetProperty("metadata", out var metadata))
            foreach (var entry in metadata.EnumerateObject())
                if (checkpoint.Metadata.GetValueOrDefault(entry.Name) != entry.Value.GetString())
                    run.Fail($"metadata '{entry.Name}' is '{checkpoint.Metadata.GetValueOrDefault(entry.Name)}'");
        var listed = root.GetProperty("tensors").EnumerateArray().ToArray();
        foreach (var extra in tensors.Keys.Except(listed.Select(t => t.GetProperty("path").GetString()!)))
            run.Fail($"tensor '{extra}' is not listed");
        foreach (var expected in listed)
            CompareTensor(run, expected, tensors);
        if (!root.TryGetProperty("scalars", out var values))
            return;
        foreach (var extra in scalars.Keys.Except(values.EnumerateObject().Select(s => s.Name)))
            run.Fail($"value '{extra}' is not listed");
        foreach (var expected in values.EnumerateObject())
            if (!scalars.TryGetValue(expected.Name, out var value))
                run.Fail($"value '{expected.Name}' is missing");
            else if (CheckpointFiles.Describe(value, expected.Value) is var text && text != expected.Value.ToString())
                run.Fail($"value '{expected.Name}' is {text}, {expected.Value} in the listing");
    }

    private static void CompareTensor(GoldenRun run, JsonElement expected, Dictionary<string, CheckpointTensor> tensors)
    {
        var path = expected.GetProperty("path").GetString()!;
        if (!tensors.TryGetValue(path, out var tensor))
        {
            run.Fail($"tensor '{path}' is missing");
            return;
        }
        if (tensor.DType.Name() != expected.GetProperty("dtype").GetString())
            run.Fail($"{path}: type {tensor.DType.Name()}");
        if (!tensor.Shape.SequenceEqual(GoldenFile.Longs(expected.GetProperty("shape"))))
            run.Fail($"{path}: shape {new Shape(tensor.Shape)}");
        if (expected.GetProperty("stride").ValueKind != JsonValueKind.Null)
        {
            if (!tensor.Strides.SequenceEqual(GoldenFile.Longs(expected.GetProperty("stride"))))
                run.Fail($"{path}: strides [{string.Join(", ", tensor.Strides.ToArray())}]");
            if (tensor.StorageOffset != expected.GetProperty("storage_offset").GetInt64())
                run.Fail($"{path}: offset {tensor.StorageOffset}");
        }
        using var scope = new Scope();
        var ours = tensor.ToTensor().ToArray<double>();
        var theirs = expected.GetProperty("values").EnumerateArray().Select(GoldenFile.Number).ToArray();
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
            if (e.GlobalName.Length == 0)
                run.Fail("the refusal does not name the callable");
        }
    }
}

/// <summary>What the cases of checkpoints share: the file beside the listing, and its values by path.</summary>
internal static class CheckpointFiles
{
    public static string Beside(GoldenRun run) =>
        Path.Combine(Path.GetDirectoryName(run.File.Path)!, run.File.Root.GetProperty("file").GetString()!);

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
