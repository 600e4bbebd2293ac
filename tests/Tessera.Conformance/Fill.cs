using System.Text;
using System.Text.Json;

namespace Tessera.Conformance;

/// <summary>The rule that fills a tensor from its name (FNV-1a-64 and SplitMix64).</summary>
internal static class Fill
{
    public static ulong Hash(string name)
    {
        var hash = 0xCBF29CE484222325UL;
        foreach (var b in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * 0x100000001B3UL;
        return hash;
    }

    /// <summary>float32(offset + scale * u) for u in [-1, 1).</summary>
    public static float[] Values(string name, long count, double offset, double scale)
    {
        var hash = Hash(name);
        var values = new float[count];
        for (var i = 0; i < values.Length; i++)
        {
            var z = hash + (ulong)(i + 1) * 0x9E3779B97F4A7C15UL;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            z ^= z >> 31;
            var u = (z >> 40) / 8388608.0 - 1;
            values[i] = (float)(offset + scale * u);
        }
        return values;
    }

    /// <summary>An input: filled, or given in full.</summary>
    public static Tensor Input(string name, JsonElement rule, DType real)
    {
        var shape = GoldenFile.Longs(rule.GetProperty("shape"));
        if (!rule.TryGetProperty("literal", out var literal))
            return Tensor
                .From(
                    Values(
                        $"input:{name}",
                        new Shape(shape).Elements,
                        rule.GetProperty("offset").GetDouble(),
                        rule.GetProperty("scale").GetDouble()
                    )
                )
                .Reshape(shape)
                .To(real);
        // Literals are row-major and flat; some files nest them by dimension.
        var values = Flatten(literal).ToArray();
        var tensor = Tensor.From(values).Reshape(shape);
        return rule.GetProperty("dtype").GetString() switch
        {
            "int64" => tensor.To(DType.Int64),
            "int32" => tensor.To(DType.Int32),
            "bool" => tensor.To(DType.Bool),
            "uint8" => tensor.To(DType.UInt8),
            "float32" or "float64" => tensor.To(real),
            var other => throw new NotSupportedException($"literal of type {other}"),
        };
    }

    private static IEnumerable<double> Flatten(JsonElement literal) =>
        literal.ValueKind == JsonValueKind.Array ? literal.EnumerateArray().SelectMany(Flatten) : [GoldenFile.Number(literal)];
}
