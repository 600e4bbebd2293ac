using FsCheck;
using FsCheck.Fluent;
using Tessera.Checkpoints;
using Tessera.Testing;

namespace Tessera.Tests.Checkpoints;

public class SafetensorsExportTests
{
    static KeyValuePair<string, CheckpointTensor> Floats(string name, params float[] values) =>
        new(name, CheckpointTensor.Create<float>(values, values.Length));

    [Fact]
    public void Weights_read_back_as_they_were_however_many_files_they_are_spread_over()
    {
        using var folder = new TempFolder();
        var cases =
            from weights in RoundTripTests.StateDicts
            from most in Gen.Choose(1, 400)
            from whole in ArbMap.Default.GeneratorFor<bool>()
            where weights.Length > 0
            select (weights, most: whole ? (long?)null : most);
        Prop.ForAll(cases.ToArbitrary(), given =>
            {
                var path = folder["w/model.safetensors"];
                var result = SafetensorsExport.Write(
                    path,
                    given.weights,
                    new()
                    {
                        ShardBytes = given.most,
                        Overwrite = true,
                        Metadata = [new("author", "me")],
                    }
                );
                Assert.Equal(result.Files.Order(StringComparer.Ordinal), Written(folder["w"], result.Files));
                using var checkpoint = Checkpoint.Open(folder["w"]);
                Assert.Equal("me", checkpoint.Metadata["author"]);
                var root = (CheckpointDictionary)checkpoint.Root!;
                Assert.Equal(given.weights.Length, root.Count);
                foreach (var (name, expected) in given.weights)
                {
                    var tensor = (CheckpointTensor)root[name]!;
                    Assert.Equal(expected.DType, tensor.DType);
                    Assert.Equal(expected.Shape.ToArray(), tensor.Shape.ToArray());
                    Assert.Equal(expected.ToContiguousBytes(), tensor.ToContiguousBytes());
                }
                foreach (var file in result.Files.Where(file => file.EndsWith(".safetensors", StringComparison.Ordinal)))
                {
                    using var shard = Checkpoint.Open(file);
                    var sizes = ((CheckpointDictionary)shard.Root!).Select(entry => ((CheckpointTensor)entry.Value!).ByteLength).ToArray();
                    Assert.True(sizes.Length == 1 || sizes.Sum() <= (given.most ?? long.MaxValue));
                }
            })
            .QuickCheckThrowOnFailure();
    }

    // Shards of an earlier case with another number of files stay; the index names those that count.
    static IEnumerable<string> Written(string folder, IReadOnlyList<string> files) =>
        Directory.EnumerateFiles(folder).Where(files.Contains).Order(StringComparer.Ordinal);

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float64)]
    public void Floating_point_numbers_take_another_type_and_all_others_stay(DType type)
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        float[] values = [0.1f, -2.5f, 1e-9f, float.NaN, float.PositiveInfinity];
        SafetensorsExport.Write(
            folder["w.safetensors"],
            [Floats("a", values), new("count", CheckpointTensor.Create<long>([7])), new("mask", CheckpointTensor.Create<bool>([true], 1))],
            new() { FloatType = type }
        );
        using var checkpoint = Checkpoint.Open(folder["w.safetensors"]);
        var state = checkpoint.StateDict();
        Assert.Equal((type, DType.Int64, DType.Bool), (state["a"].DType, state["count"].DType, state["mask"].DType));
        float[] expected = type switch
        {
            DType.Float16 => Array.ConvertAll(values, value => (float)(Half)value),
            DType.BFloat16 => Array.ConvertAll(values, value => (float)(BFloat16)value),
            _ => values,
        };
        Assert.Equal(expected, state["a"].ToSingles());
        Assert.Equal([7L], state["count"].ToArray<long>());
    }

    [Fact]
    public void A_value_that_the_type_cannot_hold_is_refused_and_nothing_is_left()
    {
        using var folder = new TempFolder();
        var error = Assert.Throws<CheckpointException>(() =>
            SafetensorsExport.Write(
                folder["w.safetensors"],
                [Floats("fine", 1), Floats("large", 1e5f)],
                new() { FloatType = DType.Float16 }
            )
        );
        Assert.Contains(
            "tensor large has values of float32 that float16 cannot hold: bfloat16 can",
            error.Message,
            StringComparison.Ordinal
        );
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Files_that_are_there_are_replaced_only_when_asked_for_and_all_of_them()
    {
        using var folder = new TempFolder();
        var path = folder["model.safetensors"];
        SafetensorsExport.Write(path, [Floats("a", 1), Floats("b", 2)]);
        foreach (var most in (long?[])[null, 4])
            Assert.Contains(
                "model.safetensors",
                Assert
                    .Throws<FileExistsException>(() =>
                        SafetensorsExport.Write(path, [Floats("c", 1), Floats("d", 2)], new() { ShardBytes = most })
                    )
                    .Path,
                StringComparison.Ordinal
            );
        // A folder's reader prefers the whole file: it must not find the old one beside the new parts, nor the other way round.
        SafetensorsExport.Write(path, [Floats("c", 1), Floats("d", 2)], new() { ShardBytes = 4, Overwrite = true });
        Assert.Equal(["c", "d"], Names(folder.Path));
        SafetensorsExport.Write(path, [Floats("e", 1)], new() { Overwrite = true });
        Assert.Equal(["e"], Names(folder.Path));
        Assert.False(File.Exists(path + ".index.json"));

        static string[] Names(string folder)
        {
            using var checkpoint = Checkpoint.Open(folder);
            return [.. checkpoint.StateDict().Keys];
        }
    }

    [Fact]
    public void A_file_can_be_converted_onto_itself()
    {
        using var folder = new TempFolder();
        var path = folder["w.safetensors"];
        Checkpoint.SaveSafetensors(path, [Floats("a", 1, 2, 3)]);
        using (var checkpoint = Checkpoint.Open(path))
            SafetensorsExport.Write(path, checkpoint.StateDict(), new() { FloatType = DType.Float16, Overwrite = true });
        using var again = Checkpoint.Open(path);
        Assert.Equal([1f, 2f, 3f], again.StateDict()["a"].ToSingles());
    }

    [Theory]
    [InlineData("pt")]
    [InlineData("mlx")]
    public void Metadata_names_the_format_once(string format)
    {
        using var folder = new TempFolder();
        Checkpoint.SaveSafetensors(folder["w.safetensors"], [Floats("a", 1)], [new("format", format), new("x", "y")]);
        using var checkpoint = Checkpoint.Open(folder["w.safetensors"]);
        Assert.Equal(new Dictionary<string, string> { ["format"] = format, ["x"] = "y" }, checkpoint.Metadata);
    }

    [Fact]
    public void What_safetensors_cannot_hold_is_refused_by_name()
    {
        using var folder = new TempFolder();
        var complex = CheckpointTensor.FromBytes(DType.Complex64, new byte[8], 1);
        Assert.Equal(
            "z",
            Assert
                .Throws<UnsupportedElementTypeException>(() => SafetensorsExport.Write(folder["w.safetensors"], [new("z", complex)]))
                .Tensor
        );
        Assert.Throws<CheckpointException>(() => SafetensorsExport.Write(folder["w.safetensors"], [Floats("__metadata__", 1)]));
        Assert.Throws<ArgumentException>(() => SafetensorsExport.Write(folder["w.pth"], [Floats("a", 1)]));
        Assert.Throws<ArgumentException>(() =>
            SafetensorsExport.Write(folder["w.safetensors"], [Floats("a", 1)], new() { ShardBytes = 0 })
        );
        Assert.Throws<ArgumentException>(() =>
            SafetensorsExport.Write(folder["w.safetensors"], [Floats("a", 1)], new() { FloatType = DType.Int64 })
        );
    }
}
