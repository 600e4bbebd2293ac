using System.Text.Json;

namespace Tessera.Conformance;

/// <summary>A tensor as a golden file records it: all values, or a sample at flat indices.</summary>
internal sealed record Recorded(long[] Shape, double? Mean, double L2, long[]? Indices, double[]? Values);

/// <summary>How one tensor of the state dict is filled; <see cref="Kept"/> ones the model computes itself.</summary>
internal sealed record ParameterRule(string Name, long[] Shape, double Offset, double Scale, string? Kept);

/// <summary>One golden file, taken apart.</summary>
internal sealed class GoldenFile
{
    // Fields that every case has; the others are one case's own.
    private static readonly string[] Common =
    [
        "format",
        "case",
        "system",
        "name",
        "source",
        "notes",
        "mode",
        "computed_in",
        "float32_outputs",
        "config",
        "parameters",
        "parameter_count",
        "inputs",
        "outputs",
        "gradient_of",
        "gradients",
    ];

    private GoldenFile(string path, JsonElement root)
    {
        Path = path;
        Root = root;
        Case = root.GetProperty("case").GetString()!;
        Name = root.GetProperty("name").GetString()!;
        Notes = root.TryGetProperty("notes", out var notes) ? notes.GetString() ?? "" : "";
        Mode = root.GetProperty("mode").GetString()!;
        ComputedIn = root.GetProperty("computed_in").GetString()!;
        Float32Outputs = root.TryGetProperty("float32_outputs", out var narrow)
            ? [.. narrow.EnumerateArray().Select(n => n.GetString()!)]
            : [];
        GradientOf = root.TryGetProperty("gradient_of", out var of) ? of.GetString() : null;
        Parameters = root.TryGetProperty("parameters", out var rules) ? [.. rules.EnumerateArray().Select(Rule)] : [];
        ParameterCount = root.TryGetProperty("parameter_count", out var count) ? count.GetInt64() : null;
        Inputs = root.TryGetProperty("inputs", out var inputs) ? inputs.EnumerateObject().ToDictionary(p => p.Name, p => p.Value) : [];
        Outputs = Records(root, "outputs");
        Gradients = Records(root, "gradients");
        Incomparable =
        [
            .. new[] { "outputs", "gradients" }
                .Where(key => root.TryGetProperty(key, out var records) && records.ValueKind == JsonValueKind.Object)
                .SelectMany(key => root.GetProperty(key).EnumerateObject().Select(p => p.Name))
                .Where(name => !Outputs.ContainsKey(name) && !Gradients.ContainsKey(name)),
        ];
    }

    public string Path { get; }
    private JsonElement Root { get; }
    public string Case { get; }
    public string Name { get; }

    /// <summary>What the file says in prose.</summary>
    public string Notes { get; }
    public string Mode { get; }
    public string ComputedIn { get; }
    public bool ComputedInFloat32 => ComputedIn == "float32";
    public HashSet<string> Float32Outputs { get; }
    public string? GradientOf { get; }
    public IReadOnlyList<ParameterRule> Parameters { get; }
    public long? ParameterCount { get; }
    public Dictionary<string, JsonElement> Inputs { get; }
    public Dictionary<string, Recorded> Outputs { get; }
    public Dictionary<string, Recorded> Gradients { get; }

    /// <summary>Outputs and gradients that are recorded without an l2.</summary>
    public IReadOnlyList<string> Incomparable { get; }

    /// <summary>The configuration, of which nothing has been used yet.</summary>
    public Config NewConfig() => new(Root.GetProperty("config"), "config.");

    /// <summary>The fields that only this case has, of which nothing has been used yet.</summary>
    public Config NewFields() => new(Root, "", Common);

    /// <summary>Reads a file; null when it is JSON of another kind.</summary>
    public static GoldenFile? Read(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        var root = document.RootElement.Clone();
        return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("format", out var format) && format.GetString() == "golden/1"
            ? new(path, root)
            : null;
    }

    private static ParameterRule Rule(JsonElement rule) =>
        new(
            rule.GetProperty("name").GetString()!,
            Longs(rule.GetProperty("shape")),
            rule.TryGetProperty("offset", out var offset) ? offset.GetDouble() : 0,
            rule.TryGetProperty("scale", out var scale) ? scale.GetDouble() : 0,
            rule.TryGetProperty("kept", out var kept) ? kept.GetString() : null
        );

    private static Dictionary<string, Recorded> Records(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out var records) || records.ValueKind != JsonValueKind.Object)
            return [];
        return records
            .EnumerateObject()
            .Where(p => p.Value.ValueKind == JsonValueKind.Object && p.Value.TryGetProperty("l2", out _))
            .ToDictionary(
                p => p.Name,
                p => new Recorded(
                    p.Value.TryGetProperty("shape", out var shape) ? Longs(shape) : [],
                    p.Value.TryGetProperty("mean", out var mean) ? Number(mean) : null,
                    Number(p.Value.GetProperty("l2")),
                    p.Value.TryGetProperty("indices", out var indices) ? Longs(indices) : null,
                    p.Value.TryGetProperty("values", out var values) ? [.. values.EnumerateArray().Select(Number)] : null
                )
            );
    }

    internal static long[] Longs(JsonElement list) => [.. list.EnumerateArray().Select(v => v.GetInt64())];

    internal static double Number(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.True => 1,
            JsonValueKind.False => 0,
            JsonValueKind.Null => double.NaN,
            JsonValueKind.String => value.GetString() switch
            {
                "inf" or "Infinity" => double.PositiveInfinity,
                "-inf" or "-Infinity" => double.NegativeInfinity,
                _ => double.NaN,
            },
            _ => value.GetDouble(),
        };
}
