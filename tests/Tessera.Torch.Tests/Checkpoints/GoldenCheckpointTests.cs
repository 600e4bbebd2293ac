using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Tessera.Checkpoints;

namespace Tessera.Tests.Checkpoints;

public class GoldenCheckpointTests
{
    [Theory]
    [InlineData("nested.pth", CheckpointFormat.TorchZip)]
    [InlineData("legacy.pth", CheckpointFormat.TorchLegacy)]
    [InlineData("tiny.safetensors", CheckpointFormat.Safetensors)]
    public void Every_tensor_equals_its_listing_bit_for_bit(string name, CheckpointFormat format)
    {
        using var listing = Listing(name);
        using var checkpoint = Checkpoint.Open(CheckpointFiles.Golden(name), new CheckpointOptions(Strict: true));
        Assert.Equal(format, checkpoint.Format);
        var found = new List<(string Path, CheckpointTensor Tensor)>();
        Collect(checkpoint.Root, "", found, []);
        var tensors = listing.RootElement.GetProperty("tensors").EnumerateArray().ToArray();
        Assert.Equal(tensors.Select(t => t.GetProperty("path").GetString()!).Order(), found.Select(f => f.Path).Order());

        foreach (var expected in tensors)
        {
            var path = expected.GetProperty("path").GetString()!;
            var tensor = found.Single(f => f.Path == path).Tensor;
            Assert.Equal(expected.GetProperty("dtype").GetString(), tensor.DType.Name());
            Assert.Equal(Integers(expected.GetProperty("shape")), tensor.Shape.ToArray());
            if (expected.GetProperty("stride").ValueKind != JsonValueKind.Null)
            {
                Assert.Equal(Integers(expected.GetProperty("stride")), tensor.Strides.ToArray());
                Assert.Equal(expected.GetProperty("storage_offset").GetInt64(), tensor.StorageOffset);
                Assert.Equal(expected.GetProperty("storage_size").GetInt64() * tensor.DType.Size(), tensor.Storage.ByteLength);
            }
            var values = expected.GetProperty("values").EnumerateArray().SelectMany(v => Encode(v, tensor.DType)).ToArray();
            Assert.True(values.AsSpan().SequenceEqual(tensor.ToContiguousBytes()), path);
        }
    }

    [Theory]
    [InlineData("nested.pth")]
    [InlineData("legacy.pth")]
    public void Every_other_value_equals_its_listing(string name)
    {
        using var listing = Listing(name);
        using var checkpoint = Checkpoint.Open(CheckpointFiles.Golden(name));
        var found = new Dictionary<string, object?>();
        Collect(checkpoint.Root, "", [], found);
        var scalars = listing.RootElement.GetProperty("scalars").EnumerateObject().ToArray();
        Assert.Equal(scalars.Select(s => s.Name).Order(), found.Keys.Order());
        foreach (var scalar in scalars)
            Assert.Equal(scalar.Value.ToString(), Describe(found[scalar.Name], scalar.Value));
    }

    [Fact]
    public void The_metadata_of_safetensors_is_read()
    {
        using var checkpoint = Checkpoint.Open(CheckpointFiles.Golden("tiny.safetensors"));
        Assert.Equal(new Dictionary<string, string> { ["format"] = "pt", ["note"] = "Größe" }, checkpoint.Metadata);
    }

    [Fact]
    public void Views_of_one_storage_share_it()
    {
        using var checkpoint = Checkpoint.Open(CheckpointFiles.Golden("nested.pth"));
        var weights = checkpoint.StateDict();
        Assert.Same(weights["blocks.0.attn.qkv.weight"].Storage, weights["blocks.0.attn.q_view"].Storage);
        Assert.False(weights["blocks.0.attn.transposed"].IsContiguous);
        Assert.Equal("blocks.0.attn.q_view", weights["blocks.0.attn.q_view"].Name);
    }

    [Fact]
    public void A_forbidden_call_becomes_a_placeholder_and_is_refused_in_strict_mode()
    {
        var path = CheckpointFiles.Golden("forbidden_call.pth");
        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
        var payload = Assert.IsType<OpaqueRecord>(((CheckpointDictionary)checkpoint.Root!)["payload"]);
        Assert.Equal("posix.getcwd", payload.TypeName);

        var refusal = Assert.Throws<ForbiddenPickleException>(() => Checkpoint.Open(path, new CheckpointOptions(Strict: true)));
        Assert.Equal("posix.getcwd", refusal.GlobalName);
        Assert.Contains("posix.getcwd", refusal.Message, StringComparison.Ordinal);
    }

    static JsonDocument Listing(string name) => JsonDocument.Parse(File.ReadAllBytes(CheckpointFiles.Golden(name + ".json")));

    static long[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt64())];

    static void Collect(object? value, string path, List<(string, CheckpointTensor)> tensors, Dictionary<string, object?> scalars)
    {
        string Below(object? key) => path.Length == 0 ? $"{key}" : $"{path}/{key}";
        switch (value)
        {
            case CheckpointTensor tensor:
                tensors.Add((path, tensor));
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

    static string Describe(object? value, JsonElement expected) =>
        (value, expected.ToString()) switch
        {
            (OpaqueRecord record, _) => $"{record.TypeName} {Json(record.State)}",
            (double number, var text) when text.StartsWith("numpy scalar float64 ", StringComparison.Ordinal) => "numpy scalar float64 "
                + number.ToString("R", CultureInfo.InvariantCulture),
            (double number, _) => number.ToString("R", CultureInfo.InvariantCulture),
            (BigInteger or long, _) => ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture),
            _ => value?.ToString() ?? "",
        };

    static string Json(object? value) =>
        value switch
        {
            null => "null",
            string text => $"\"{text}\"",
            double number => number.ToString("R", CultureInfo.InvariantCulture),
            List<object?> list => $"[{string.Join(", ", list.Select(Json))}]",
            CheckpointDictionary fields => $"{{{string.Join(", ", fields.Select(f => $"\"{f.Key}\": {Json(f.Value)}"))}}}",
            _ => throw new ArgumentException($"{value}"),
        };

    static byte[] Encode(JsonElement value, DType type) =>
        type switch
        {
            DType.Float64 => BitConverter.GetBytes(value.GetDouble()),
            DType.Float32 => BitConverter.GetBytes((float)value.GetDouble()),
            DType.Float16 => BitConverter.GetBytes((Half)value.GetDouble()),
            DType.BFloat16 => BitConverter.GetBytes(((BFloat16)(float)value.GetDouble()).Bits),
            DType.Int64 => BitConverter.GetBytes((long)value.GetDouble()),
            DType.Int32 => BitConverter.GetBytes((int)value.GetDouble()),
            DType.Int16 => BitConverter.GetBytes((short)value.GetDouble()),
            DType.Int8 => [(byte)(sbyte)value.GetDouble()],
            DType.UInt8 or DType.Bool => [(byte)value.GetDouble()],
            _ => throw new ArgumentException($"{type}"),
        };
}
