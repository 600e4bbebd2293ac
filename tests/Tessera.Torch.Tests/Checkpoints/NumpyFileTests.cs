using System.IO.Compression;
using Tessera.Checkpoints;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

public class NumpyFileTests
{
    static readonly byte[] six = [.. Enumerable.Range(1, 6).SelectMany(i => BitConverter.GetBytes((float)i))];

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void An_archive_of_arrays_is_read_stored_or_compressed(CompressionLevel level)
    {
        using var checkpoint = Checkpoint.Read(
            Zip(
                level,
                ("opt/target/Transformer/encoderblock_0/LayerNorm_0/scale.npy", Npy("<f4", "(6,)", six)),
                ("head/kernel.npy", Npy("<f4", "(2, 3)", six, fortran: true)),
                ("step.npy", Npy("<i8", "()", BitConverter.GetBytes(7L))),
                ("names.npy", Npy("<U3", "(1,)", new byte[12]))
            )
        );
        Assert.Equal(CheckpointFormat.NumpyArchive, checkpoint.Format);
        var weights = checkpoint.StateDict();
        Assert.Equal(["opt/target/Transformer/encoderblock_0/LayerNorm_0/scale", "head/kernel", "step"], weights.Keys);
        Assert.Equal([1f, 3, 5, 2, 4, 6], weights["head/kernel"].ToArray<float>());
        Assert.Equal([1, 2], weights["head/kernel"].Strides.ToArray());
        Assert.Equal([7L], weights["step"].ToArray<long>());
        Assert.Empty(weights["step"].Shape.ToArray());
    }

    [Theory]
    [InlineData("<f2", DType.Float16)]
    [InlineData("|V2", DType.BFloat16)]
    [InlineData("<i2", DType.Int16)]
    [InlineData("|b1", DType.Bool)]
    [InlineData("|u1", DType.UInt8)]
    [InlineData("|i1", DType.Int8)]
    [InlineData("<c8", DType.Complex64)]
    public void A_single_array_is_read_in_every_type(string descr, DType type)
    {
        using var checkpoint = Checkpoint.Read(Npy(descr, "(2, 1L)", new byte[2 * type.Size()]));
        var array = Assert.IsType<CheckpointTensor>(checkpoint.Root);
        Assert.Equal(type, array.DType);
        Assert.Equal([2, 1], array.Shape.ToArray());
    }

    [Theory]
    [InlineData("(3, 2")]
    [InlineData("(3, -2)")]
    [InlineData("(3, x)")]
    [InlineData("(3, 3)")]
    [InlineData("[3, 2]")]
    [InlineData("(3, 2), 'shape': (3, 2)")]
    [InlineData("(3, 2), 'more': 1")]
    public void A_wrong_shape_is_an_error(string shape) =>
        Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Npy("<f4", shape, six)));

    [Fact]
    public void Arrays_and_numbers_inside_pickles_are_read()
    {
        using var checkpoint = Checkpoint.Read(
            Pickle(
                "}(",
                Text("array"),
                HostilePickles.Array("f4", Bytes(Int(2), Int(3)), 24),
                Text("twice"),
                Bytes("(", HostilePickles.Array("i8", Int(1), 8), "tq", 9, "h", 9, 0x86),
                Text("number"),
                Bytes("cnumpy._core.multiarray\nscalar\n", HostilePickles.Dtype("f8"), "C", 8, BitConverter.GetBytes(72.25), 0x86, "R"),
                Text("count"),
                Bytes("cnumpy.core.multiarray\nscalar\n", HostilePickles.Dtype("u8"), "U", 8, BitConverter.GetBytes(5L), 0x86, "R"),
                Text("bytes"),
                Bytes("c_codecs\nencode\n", Text("ab"), Text("latin1"), 0x86, "R"),
                "u"
            )
        );
        Assert.Equal(CheckpointFormat.Pickle, checkpoint.Format);
        var root = (CheckpointDictionary)checkpoint.Root!;
        Assert.Equal([2, 3], ((CheckpointTensor)root["array"]!).Shape.ToArray());
        Assert.Equal(72.25, root["number"]);
        Assert.Equal(5L, root["count"]);
        Assert.Equal("ab"u8.ToArray(), root["bytes"]);
        Assert.Equal(2, ((CheckpointTuple)root["twice"]!).Count);
    }

    [Fact]
    public void An_array_that_the_memo_held_unbuilt_is_the_same_everywhere()
    {
        var array = HostilePickles.Array("f4", Int(1), 4);
        var split = array.AsSpan().IndexOf("R(K\u0001("u8) + 1;
        using var checkpoint = Checkpoint.Read(Pickle("](", array[..split], "q", 3, array[split..], "h", 3, "e"));
        var list = (List<object?>)checkpoint.Root!;
        Assert.IsType<CheckpointTensor>(list[0]);
        Assert.Same(list[0], list[1]);
    }
}
