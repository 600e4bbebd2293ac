using Tessera.Checkpoints;
using Tessera.Testing;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

public class SafetensorsTests
{
    const string A = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""";

    [Theory]
    [InlineData("two tensors of one name", A + ""","a":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}""", 12)]
    [InlineData("metadata twice", """{"__metadata__":{},"__metadata__":{}}""", 0)]
    [InlineData("a metadata key twice", """{"__metadata__":{"k":"v","k":"w"}}""", 0)]
    [InlineData("metadata that is no text", """{"__metadata__":{"k":1}}""", 0)]
    [InlineData("a hole", A + ""","b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}}""", 10)]
    [InlineData("an overlap", A + ""","b":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}}""", 8)]
    [InlineData("bytes left over", A + "}", 9)]
    [InlineData("bytes missing", A + "}", 7)]
    [InlineData("a hole at the start", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2)]
    [InlineData("a length that is not the shape's", """{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8)]
    [InlineData("reversed offsets", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8)]
    [InlineData("a negative size", """{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8)]
    [InlineData("two negative sizes", """{"a":{"dtype":"F32","shape":[-2,-1],"data_offsets":[0,8]}}""", 8)]
    [InlineData("a fractional size", """{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8)]
    [InlineData("a shape that wraps around", """{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0)]
    [InlineData("an unknown dtype", """{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}""", 8)]
    [InlineData("no dtype", """{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8)]
    [InlineData("no shape", """{"a":{"dtype":"F32","data_offsets":[0,8]}}""", 8)]
    [InlineData("no offsets", """{"a":{"dtype":"F32","shape":[2]}}""", 8)]
    [InlineData("a shape twice", """{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}""", 8)]
    [InlineData("an unknown field", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"stride":[1]}}""", 8)]
    [InlineData("a tensor that is no object", """{"a":[]}""", 0)]
    [InlineData("broken JSON", """{"a":""", 0)]
    [InlineData("something behind the JSON", """{} x""", 0)]
    [InlineData("a comment", """{/* */}""", 0)]
    public void A_broken_rule_is_an_error(string what, string header, int dataLength)
    {
        var error = Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Safetensors(header, dataLength), what));
        Assert.StartsWith(what + ": ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_no_UTF8_is_an_error() =>
        Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Bytes(BitConverter.GetBytes(8L), "{\"", 0xc3, 0x28, "\":1}")));

    [Fact]
    public void A_header_longer_than_the_file_is_an_error() =>
        Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Bytes(BitConverter.GetBytes(99_999_999L), "{}")));

    [Fact]
    public void Padding_scalars_empty_tensors_and_names_written_twice_differently_are_read()
    {
        using var checkpoint = Checkpoint.Read(
            Safetensors(
                """{"é":{"data_offsets":[0,4],"shape":[],"dtype":"F32"},"empty":{"dtype":"F64","shape":[3,0],"data_offsets":[4,4]}}     """,
                4
            )
        );
        var weights = checkpoint.StateDict();
        Assert.Equal(["é", "empty"], weights.Keys);
        Assert.Equal([0f], weights["é"].ToArray<float>());
        Assert.Equal([3, 0], weights["empty"].Shape.ToArray());
        Assert.Empty(weights["empty"].ToArray<double>());
    }

    [Theory]
    [InlineData("U16", 2)]
    [InlineData("U32", 4)]
    [InlineData("U64", 8)]
    [InlineData("F8_E4M3", 1)]
    [InlineData("F8_E5M2", 1)]
    public void A_type_that_is_not_supported_matters_only_when_its_tensor_is_wanted(string type, int size)
    {
        using var checkpoint = Checkpoint.Read(
            Safetensors($$$"""{"odd":{"dtype":"{{{type}}}","shape":[1],"data_offsets":[0,{{{size}}}]}}""", size)
        );
        var error = Assert.Throws<UnsupportedElementTypeException>(() => checkpoint.StateDict()["odd"].DType);
        Assert.Equal(("odd", type), (error.Tensor, error.ElementType));
    }

    [Fact]
    public void The_writer_aligns_every_tensor_and_keeps_metadata()
    {
        using var folder = new TempFolder();
        var path = folder["w.safetensors"];
        Checkpoint.SaveSafetensors(
            path,
            new Dictionary<string, CheckpointTensor>
            {
                ["bytes"] = CheckpointTensor.Create<byte>([1, 2, 3], 3),
                ["b"] = CheckpointTensor.Create<float>([1, 2], 2),
                ["a"] = CheckpointTensor.Create<float>([3], 1),
                ["wide"] = CheckpointTensor.Create<double>([4]),
            },
            new Dictionary<string, string> { ["note"] = "Größe \"x\"" }
        );

        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal(new Dictionary<string, string> { ["format"] = "pt", ["note"] = "Größe \"x\"" }, checkpoint.Metadata);
        Assert.Equal(["wide", "a", "b", "bytes"], checkpoint.StateDict().Keys);
        Assert.Equal(0, (BitConverter.ToInt64(File.ReadAllBytes(path)) + 8) % 8);
        Assert.Equal(["w.safetensors"], folder.Names);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_no_other()
    {
        using var folder = new TempFolder();
        var path = folder["w.safetensors"];
        File.WriteAllText(path, "old");
        var gone = Checkpoint.Read(Safetensors(A + "}", 8));
        var weights = gone.StateDict();
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Checkpoint.SaveSafetensors(path, weights));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(["w.safetensors"], folder.Names);
    }

    [Fact]
    public void Reserved_and_repeated_names_are_not_written()
    {
        var tensor = CheckpointTensor.Create<float>([1], 1);
        Assert.Throws<ArgumentException>(() => Checkpoint.SaveSafetensors("x", [new("__metadata__", tensor)]));
        Assert.Throws<ArgumentException>(() => Checkpoint.SaveSafetensors("x", [new("a", tensor), new("a", tensor)]));
    }
}
