using System.IO.Compression;
using System.Numerics;
using System.Text;
using Tessera.Checkpoints;
using Tessera.Testing;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

/// <summary>Good files in forms that few readers take, and files that are no checkpoints at all.</summary>
public class UnusualFileTests
{
    static readonly byte[] tensor = Tensor(Int(0), Int(4), Int(1));

    /// <summary>What stands beside the weights <c>{ "model": { "w": ... } }</c>.</summary>
    static readonly Dictionary<string, byte[]> beside = new()
    {
        ["a configuration that knows its parent"] = Bytes("ccfg\nNode\n)", 0x81, "q", 9, "}(", Text("_parent"), "Nh", 9, "h", 9, "ub"),
        ["an object with itself in a list"] = Bytes("ccfg\nNode\n)", 0x81, "q", 9, "}", Text("me"), "]h", 9, "asb"),
        ["a tuple with itself in a list"] = Bytes("]q", 9, 0x85, "q", 8, "0h", 9, "h", 8, "a0h", 8),
        ["a dictionary in its own values"] = Bytes("}q", 9, Text("up"), "h", 9, "s"),
        ["an object that is a key of its own state"] = Bytes("ccfg\nNode\n)", 0x81, "q", 9, "}h", 9, "K", 1, "sb"),
        ["a defaultdict"] = Bytes("ccollections\ndefaultdict\ncbuiltins\nlist\n", 0x85, "R", Text("a"), "]s"),
        ["a counter"] = Bytes("ccollections\nCounter\n}", Text("a"), "K", 1, "s", 0x85, "R"),
        ["a deque"] = Bytes("ccollections\ndeque\n)K", 3, 0x86, "R(K", 1, "e"),
        ["a frozenset"] = Bytes("c__builtin__\nfrozenset\n](K", 1, "e", 0x85, "R"),
        ["an integer of 300 bytes"] = Bytes(0x8b, BitConverter.GetBytes(300), Enumerable.Repeat((byte)1, 300).ToArray()),
        ["half a surrogate pair"] = Bytes("X", BitConverter.GetBytes(4), "a", 0xed, 0xb3, 0xbf),
        ["a big-endian number of numpy"] = Bytes(
            "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n(",
            Text("f8"),
            "K",
            0,
            "K",
            1,
            "tR(K",
            3,
            Text(">"),
            "NNNJ",
            BitConverter.GetBytes(-1),
            "J",
            BitConverter.GetBytes(-1),
            "K",
            0,
            "tbC",
            8,
            new byte[8],
            0x86,
            "R"
        ),
        ["texts of protocol 0"] = Bytes("(lp7\nI1\naI01\naL12345678901234567890123L\naF1.5\naFnan\naS'a\\x41\\n'\naVb\\u20ac\naNag7\na0N"),
        ["a tensor over a storage of an unknown class"] = Tensor(Int(0), Int(4), Int(1), Storage(type: "NewStorage")),
        ["a tensor without data"] = Bytes(
            "ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n(K",
            1,
            "t(K",
            1,
            "t",
            0x89,
            "tR"
        ),
    };

    public static TheoryData<string> Beside => [.. beside.Keys];

    [Theory]
    [MemberData(nameof(Beside))]
    public void Whatever_stands_beside_the_weights_does_not_matter(string what)
    {
        var file = Torch(Pickle("}(", Text("other"), beside[what], Text("model"), "}", Text("w"), tensor, "su"));
        using var checkpoint = Checkpoint.Read(file);
        Assert.Equal(new float[4], checkpoint.StateDict()["w"].ToArray<float>());
        ReadAllReadable(checkpoint.Root);
    }

    // What can be read is walked through to its end.
    static void ReadAllReadable(object? value)
    {
        if (value is not CheckpointTensor)
            foreach (var child in ValueTree.Children(value))
                ReadAllReadable(child);
    }

    /// <summary>A tensor that cannot be read, under the name "odd" beside the tensor "w".</summary>
    static readonly Dictionary<string, Func<byte[]>> odd = new()
    {
        ["quantised"] = () =>
            WithOdd(Bytes("ctorch._utils\n_rebuild_qtensor\n(", Storage("1", "QInt8Storage", Int(16)), "K", 0, "(K", 4, "t(K", 1, "ttR")),
        ["sparse"] = () =>
            WithOdd(Bytes("ctorch._utils\n_rebuild_sparse_tensor\nctorch\nsparse_coo\n(", tensor, tensor, "(K", 4, "tt", 0x86, "R")),
        ["a parameter of a quantised tensor"] = () =>
            WithOdd(
                Bytes(
                    "ctorch._utils\n_rebuild_parameter\nctorch._utils\n_rebuild_qtensor\n(",
                    Storage("1", "QInt8Storage", Int(16)),
                    "K",
                    0,
                    "tR",
                    0x88,
                    "N",
                    0x87,
                    "R"
                )
            ),
        ["over an unknown storage"] = () => WithOdd(Tensor(Int(0), Int(4), Int(1), Storage("1", "NewStorage"))),
        ["without data"] = () =>
            WithOdd(Bytes("ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n(K", 1, "t(K", 1, "t", 0x89, "tR")),
        ["of a type that is new"] = () =>
            WithOdd(
                Bytes(
                    "ctorch._utils\n_rebuild_tensor_v3\n(",
                    Storage("1", "UntypedStorage", Int(16)),
                    Int(0),
                    "(K",
                    4,
                    "t(K",
                    1,
                    "t",
                    0x89,
                    "}ctorch\nuint3\ntR"
                )
            ),
        ["of four bits"] = () =>
            Safetensors(
                """{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"odd":{"dtype":"F4","shape":[4],"data_offsets":[16,18]}}""",
                18
            ),
        ["of six bits"] = () =>
            Safetensors(
                """{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"odd":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[16,19]}}""",
                19
            ),
        ["of eight bits"] = () =>
            Safetensors(
                """{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"odd":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[16,20]}}""",
                20
            ),
        ["objects of numpy"] = () => Arrays(Npy("|O", "(1,)", Pickle("}"))),
        ["big-endian"] = () => Arrays(Npy(">f4", "(1,)", new byte[4])),
    };

    static byte[] WithOdd(byte[] value) =>
        Torch(Pickle("}(", Text("w"), tensor, Text("odd"), value, "u"), CompressionLevel.NoCompression, ("archive/data/1", new byte[16]));

    static byte[] Arrays(byte[] array) =>
        Zip(CompressionLevel.NoCompression, ("w.npy", Npy("<f4", "(4,)", new byte[16])), ("odd.npy", array));

    public static TheoryData<string> Odd => [.. odd.Keys];

    [Theory]
    [MemberData(nameof(Odd))]
    public void A_tensor_that_cannot_be_read_is_refused_alone_and_by_name(string what)
    {
        using var checkpoint = Checkpoint.Read(odd[what]());
        var state = checkpoint.StateDict();
        Assert.Equal(new float[4], state["w"].ToArray<float>());
        Assert.Null(state["w"].Refusal);
        var refusal = Assert.IsAssignableFrom<CheckpointException>(state["odd"].Refusal);
        Assert.IsNotType<CorruptCheckpointException>(refusal);
        Assert.Contains("odd", refusal.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<CheckpointException>(() => state["odd"].ToTensor());
    }

    [Fact]
    public void Records_of_numpy_do_not_keep_the_other_arrays_back()
    {
        var header = Encoding.Latin1.GetString(Npy("[(QaQ, Q<f4Q), (QbQ, [(QcQ, Q<i8Q)])]", "(1,)", new byte[12]));
        header = header.Replace("'[", " [", StringComparison.Ordinal).Replace("]'", "] ", StringComparison.Ordinal).Replace('Q', '\'');
        using var checkpoint = Checkpoint.Read(Arrays(Encoding.Latin1.GetBytes(header)));
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
    }

    [Fact]
    public void Complex_tensors_of_safetensors_are_read()
    {
        using var checkpoint = Checkpoint.Read(Safetensors("""{"c":{"dtype":"C64","shape":[2],"data_offsets":[0,16]}}""", 16));
        Assert.Equal(DType.Complex64, checkpoint.StateDict()["c"].ToTensor().DType);
    }

    [Theory]
    [InlineData("""{"__metadata__":null,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    [InlineData("""{"__metadata__":{"format":null},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    public void Metadata_may_be_null(string header)
    {
        using var checkpoint = Checkpoint.Read(Safetensors(header, 4));
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
    }

    [Fact]
    public void Arrays_of_protocol_5_are_read()
    {
        var dtype = HostilePickles.Dtype("f4");
        var data = Enumerable.Range(1, 2).SelectMany(i => BitConverter.GetBytes((float)i)).ToArray();
        using var checkpoint = Checkpoint.Read(
            Bytes(
                0x80,
                5,
                "}",
                Text("w"),
                "cnumpy.core.numeric\n_frombuffer\n(",
                0x96,
                BitConverter.GetBytes((long)data.Length),
                data,
                dtype,
                "K",
                2,
                0x85,
                Text("C"),
                "tRs."
            )
        );
        Assert.Equal([1f, 2f], checkpoint.StateDict()["w"].ToArray<float>());
    }

    [Fact]
    public void The_oldest_protocols_are_read_in_both_formats()
    {
        // Neither begins with a mark of its protocol, and truth is written as the number 01.
        var weights = Bytes(
            "}q",
            0,
            Text("w"),
            "ctorch._utils\n_rebuild_tensor_v2\n(",
            Storage(),
            "K",
            0,
            "(K",
            4,
            "t(K",
            1,
            "tI00\nccollections\nOrderedDict\n)RtRs."
        );
        using var zip = Checkpoint.Read(Torch(weights));
        Assert.Equal(4, zip.StateDict()["w"].Count);
        using var legacy = Checkpoint.Read(
            Bytes(
                "L119547037146038801333356L\n.",
                "I1001\n.",
                "}q",
                0,
                "(",
                Text("little_endian"),
                "I01\nu.",
                weights,
                "]",
                Text("0"),
                "a.",
                BitConverter.GetBytes(4L),
                new byte[16]
            )
        );
        Assert.Equal((4L, CheckpointFormat.TorchLegacy), (legacy.StateDict()["w"].Count, legacy.Format));
        using var plain = Checkpoint.Read("(dp0\nS'a'\np1\nI7\ns."u8.ToArray());
        Assert.Equal(7L, ((CheckpointDictionary)plain.Root!)["a"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(70_000)]
    public void Bytes_behind_an_archive_do_not_matter(int count)
    {
        var file = Bytes(Torch(Pickle("}", Text("w"), tensor, "s")), new byte[count]);
        using var checkpoint = Checkpoint.Read(file);
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void A_flipped_bit_is_found_by_the_checksum(CompressionLevel level)
    {
        var data = Enumerable.Range(0, 16).Select(i => (byte)i).ToArray();
        var file = Zip(level, ("archive/data.pkl", Pickle("}", Text("w"), tensor, "s")), ("archive/data/0", data));
        var at = file.AsSpan().LastIndexOf(data);
        if (level != CompressionLevel.NoCompression)
            // The checksum itself, where the archive lists its entries.
            at = file.AsSpan().LastIndexOf("PK\u0001\u0002"u8) + 16;
        file[at] ^= 1;
        using var checkpoint = Checkpoint.Read(file);
        var error = Assert.Throws<CorruptCheckpointException>(() => checkpoint.StateDict()["w"].ToArray<float>());
        Assert.Contains("checksum", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Expanded_dimensions_stay_expanded()
    {
        var file = Torch(Pickle("}", Text("w"), Tensor(Int(0), Bytes(Int(4), Int(1000), Int(1000)), Bytes(Int(1), Int(0), Int(0))), "s"));
        using var checkpoint = Checkpoint.Read(file);
        using var scope = new Scope();
        var expanded = checkpoint.StateDict()["w"].ToTensor();
        Assert.Equal(new Shape([4, 1000, 1000]), expanded.Shape);
        Assert.False(expanded.IsContiguous);
    }

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS")]
    [InlineData("<!DOCTYPE html><html><body>404</body></html>", "HTML")]
    [InlineData("\n <html><body>Sign in</body></html>", "HTML")]
    [InlineData("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML")]
    [InlineData("{\"error\": \"not found\"}", "JSON")]
    [InlineData("\u001f\u008b\u0008\u0000more", "gzip")]
    [InlineData("BZh91AY&SY", "bzip2")]
    [InlineData("\u00fd7zXZ\u0000", "xz")]
    [InlineData("GGUF\u0003\u0000", "GGUF")]
    [InlineData("\u0089HDF\r\n\u001a\n", "HDF5")]
    public void What_is_no_checkpoint_is_named(string content, string name)
    {
        var error = Assert.Throws<UnsupportedCheckpointException>(() => Checkpoint.Read(Encoding.Latin1.GetBytes(content)));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("weights of a model")]
    [InlineData("0123456789")]
    public void Text_that_is_nothing_known_is_not_called_a_damaged_pickle(string content)
    {
        var error = Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Encoding.Latin1.GetBytes(content)));
        Assert.DoesNotContain("damaged", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Limits_are_not_called_damage()
    {
        var error = Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Pickle(new string('}', 1_100_000))));
        Assert.DoesNotContain("damaged", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"weight_map":{"w":"../other.safetensors"}}""", "beside the index")]
    [InlineData("""{"weight_map":{"w":"gone.safetensors"}}""", "gone.safetensors")]
    [InlineData("""{"weight_map":{"w":1}}""", "one file for tensor w")]
    [InlineData("""{"weight_map":{}}""", "names no tensor")]
    [InlineData("""{"map":{}}""", "weight_map")]
    [InlineData("""[""", "JSON")]
    [InlineData("""{"weight_map":{"v":"part.safetensors"}}""", "tensor v must be in part.safetensors")]
    [InlineData("""{"weight_map":{"w":"part.safetensors"}}""", null)]
    public void An_index_names_files_beside_it_that_hold_its_tensors(string content, string? problem)
    {
        using var folder = new TempFolder();
        var index = folder.Write("model.safetensors.index.json", content);
        Checkpoint.SaveSafetensors(folder["part.safetensors"], [new("w", CheckpointTensor.Create<float>([1], 1))]);
        if (problem is not null)
        {
            var error = Assert.ThrowsAny<CheckpointException>(() => Checkpoint.Open(index));
            Assert.Contains(problem, error.Message, StringComparison.Ordinal);
            return;
        }
        using var checkpoint = Checkpoint.Open(folder.Path);
        Assert.Equal([1f], checkpoint.StateDict()["w"].ToArray<float>());
    }

    [Fact]
    public void Which_of_the_files_of_a_folder_was_taken_is_said()
    {
        using var folder = new TempFolder();
        Checkpoint.SaveTorch(folder["mine.pth"], [new("a", CheckpointTensor.Create<float>([1], 1))]);
        using (var only = Checkpoint.Open(folder.Path))
            Assert.Equal(["a"], only.StateDict().Keys);

        Checkpoint.SaveTorch(folder["other.pth"], [new("b", CheckpointTensor.Create<float>([1], 1))]);
        var error = Assert.Throws<UnsupportedCheckpointException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("mine.pth", error.Message, StringComparison.Ordinal);

        Checkpoint.SaveSafetensors(folder["model.safetensors"], [new("c", CheckpointTensor.Create<float>([1], 1))]);
        Checkpoint.SaveTorch(folder["pytorch_model.bin"], [new("d", CheckpointTensor.Create<float>([1], 1))]);
        using var checkpoint = Checkpoint.Open(folder.Path);
        var found = checkpoint.FindStateDict();
        Assert.Equal(["c"], found.Tensors.Keys);
        Assert.Contains("model.safetensors was taken, not pytorch_model.bin", Assert.Single(found.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_weights_is_an_error_that_says_what_is_looked_for()
    {
        using var folder = new TempFolder();
        var error = Assert.Throws<UnsupportedCheckpointException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("model.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Integers_of_protocol_0_are_exact()
    {
        using var checkpoint = Checkpoint.Read("(lp0\nL-12345678901234567890123L\na."u8.ToArray());
        var list = Assert.IsType<List<object?>>(checkpoint.Root);
        Assert.Equal(BigInteger.Parse("-12345678901234567890123", System.Globalization.CultureInfo.InvariantCulture), list[0]);
    }
}
