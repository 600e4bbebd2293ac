using System.Text;
using System.Text.Json.Nodes;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>A golden file: inputs filled by its rule, outputs and gradients to compare with.</summary>
internal sealed class Golden
{
    private readonly JsonNode root;

    internal Golden(string file) => root = JsonNode.Parse(File.ReadAllText(Goldens.Path(file)))!;

    internal JsonNode Config => root["config"]!;

    internal Tensor Input(string name)
    {
        var input = root["inputs"]![name]!;
        long[] shape = [.. input["shape"]!.AsArray().Select(v => (long)v!)];
        if (input["literal"] is { } literal)
            return Tensor.From([.. literal.AsArray().Select(v => (long)v!)], shape);
        var (offset, scale) = ((double)input["offset"]!, (double)input["scale"]!);
        var values = new double[shape.Aggregate(1L, (a, b) => a * b)];
        var hash = Encoding.UTF8.GetBytes($"input:{name}").Aggregate(0xCBF29CE484222325UL, (h, b) => (h ^ b) * 0x100000001B3UL);
        for (var i = 0; i < values.Length; i++)
        {
            var z = hash + (ulong)(i + 1) * 0x9E3779B97F4A7C15UL;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            z ^= z >> 31;
            values[i] = (float)(offset + scale * ((z >> 40) / 8388608.0 - 1));
        }
        return Tensor.From(values, shape);
    }

    internal double[] Output(string name) => Values(root["outputs"]![name]!);

    internal IEnumerable<(string Name, double[] Values)> Gradients => root["gradients"]!.AsObject().Select(g => (g.Key, Values(g.Value!)));

    private static double[] Values(JsonNode recorded) => [.. recorded["values"]!.AsArray().Select(v => (double)v!)];

    internal static void Equal(double[] expected, Tensor found, double tolerance)
    {
        var values = found.ToArray<double>();
        Assert.Equal(expected.Length, values.Length);
        var scale = Math.Max(1, expected.Max(Math.Abs));
        for (var i = 0; i < values.Length; i++)
            Assert.True(Math.Abs(expected[i] - values[i]) <= tolerance * scale, $"value {i} is {values[i]}, expected {expected[i]}");
    }
}
