using Tessera.Checkpoints;
using Tessera.Models;

namespace Tessera.Cli.Tests;

public sealed class ConvertTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    private const string Name = "vit_mini_patch4_32";

    private Workplace Place => run.Place;

    private string At(string name) => Path.Combine(Place.Folder, name);

    private static OrderedDictionary<string, Tensor> Weights() => Registry.Create(Name, new() { Classes = 3 }).StateDict();

    private static void AssertHolds(string path, OrderedDictionary<string, Tensor> expected, DType? type = null)
    {
        using var file = Checkpoint.Open(path);
        var state = file.StateDict().ToTensors();
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), state.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, tensor) in expected)
            Assert.True((type is { } wanted ? tensor.To(wanted) : tensor).Equal(state[name]), name);
    }

    [Fact]
    public void What_PyTorch_saves_becomes_safetensors_in_a_smaller_type()
    {
        using var scope = new Scope();
        var state = Weights();
        Checkpoint.SaveTorch(At("a.pth"), state.ToCheckpoint());
        Assert.Contains(
            "read back and compared",
            Place.Run("convert", "a.pth", "a.safetensors").Succeeded().Output,
            StringComparison.Ordinal
        );
        AssertHolds(At("a.safetensors"), state);
        Place.Run("convert", "a.safetensors", "half.safetensors", "--dtype", "bfloat16").Succeeded();
        AssertHolds(At("half.safetensors"), state, DType.BFloat16);
    }

    [Fact]
    public void Files_are_not_replaced_unless_that_is_asked_for()
    {
        using var scope = new Scope();
        var state = Weights();
        Checkpoint.SaveTorch(At("b.pth"), state.ToCheckpoint());
        Place.Write("b.safetensors", "mine");
        Assert.Contains("--force", Place.Run("convert", "b.pth", "b.safetensors").UserError(), StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(At("b.safetensors")));
        Place.Run("convert", "b.pth", "b.safetensors", "--force").Succeeded();
        AssertHolds(At("b.safetensors"), state);
    }

    [Fact]
    public void Several_files_with_an_index_are_read_as_one()
    {
        using var scope = new Scope();
        var state = Weights();
        Checkpoint.SaveSafetensors(At("c.safetensors"), state.ToCheckpoint(), [new("license", "mine")]);
        var json = Place.Run("convert", "c.safetensors", "parts/", "--shard-size", "4MB", "--json").Succeeded().Json;
        string[] files = [.. json.GetProperty("files").EnumerateArray().Select(file => Path.GetFileName(file.GetString()!))];
        Assert.True(files.Length > 3);
        Assert.Equal("model.safetensors.index.json", files[^1]);
        Assert.All(files, file => Assert.InRange(new FileInfo(At($"parts/{file}")).Length, 1, 4_100_000));
        AssertHolds(At("parts"), state);
        using var whole = Checkpoint.Open(At("parts"));
        Assert.Equal("mine", whole.Metadata["license"]);
        Assert.Contains("2GB", Place.Run("convert", "c.safetensors", "p/", "--shard-size", "many").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_are_brought_to_a_model_and_what_does_not_fit_it_is_refused()
    {
        using var scope = new Scope();
        var state = Weights();
        Checkpoint.SaveSafetensors(
            At("d.safetensors"),
            state.Select(entry => KeyValuePair.Create("network.backbone." + entry.Key, entry.Value)).ToCheckpoint()
        );
        var output = Place.Run("convert", "d.safetensors", "named.safetensors", "--model", Name).Succeeded().Output;
        Assert.Contains("'network.backbone.'", output, StringComparison.Ordinal);
        AssertHolds(At("named.safetensors"), state);
        var refusal = Place.Run("convert", "d.safetensors", "other.safetensors", "--model", "cct_2_3x2_32").UserError();
        Assert.Contains("do not fit", refusal, StringComparison.Ordinal);
        Assert.False(File.Exists(At("other.safetensors")));
    }

    [Fact]
    public void One_of_several_networks_is_taken_and_the_rest_is_said_to_be_left_out()
    {
        using var scope = new Scope();
        var (state, other) = (Weights(), Weights());
        Checkpoint.SaveSafetensors(
            At("e.safetensors"),
            [
                .. state.Select(entry => KeyValuePair.Create("teacher." + entry.Key, entry.Value)).ToCheckpoint(),
                .. other.Select(entry => KeyValuePair.Create("student." + entry.Key, entry.Value)).ToCheckpoint(),
            ]
        );
        Place.Run("convert", "e.safetensors", "teacher.safetensors", "--prefix", "teacher").Succeeded();
        AssertHolds(At("teacher.safetensors"), state);
    }

    [Fact]
    public void The_weights_of_a_run_are_taken_from_its_bundle()
    {
        using var scope = new Scope();
        Place.Run("convert", TrainedRun.Name, "run.safetensors").Succeeded();
        Place.Run("convert", TrainedRun.Name, "ema.safetensors", "--ema").Succeeded();
        using var file = Checkpoint.Open(run.Weights);
        AssertHolds(At("run.safetensors"), file.StateDict().ToTensors());
        Assert.NotEqual(File.ReadAllBytes(At("run.safetensors")), File.ReadAllBytes(At("ema.safetensors")));
    }

    [Theory]
    [InlineData("packed --packed", "has no convolution with one bit")]
    [InlineData("packed --packed --force", "--packed and --force do not go together")]
    [InlineData("packed --packed --key state_dict", "a run has its weights alone")]
    public void What_has_nothing_to_pack_is_refused_in_one_line(string arguments, string reason)
    {
        Assert.Contains(reason, Place.Run(["convert", TrainedRun.Name, .. arguments.Split(' ')]).UserError(), StringComparison.Ordinal);
        Assert.False(Directory.Exists(At("packed")));
    }

    [Theory]
    [InlineData("w.pth", "must end with .safetensors")]
    [InlineData("w.safetensors --dtype int8", "float32, float16 or bfloat16")]
    [InlineData("w.safetensors --best", "none")]
    public void What_cannot_be_right_is_refused_in_one_line(string arguments, string reason)
    {
        using var scope = new Scope();
        Checkpoint.SaveTorch(At("f.pth"), Weights().ToCheckpoint());
        Assert.Contains(reason, Place.Run(["convert", "f.pth", .. arguments.Split(' ')]).UserError(), StringComparison.Ordinal);
    }
}
