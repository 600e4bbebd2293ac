using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Weights in the forms in which people have them.</summary>
public class PretrainedTests
{
    private static CifarResNet Net(int classes = 10) => new(new(BlocksPerStage: 1, ImageSize: (8, 8), Classes: classes));

    private static Vit Transformer(int classes = 3) => new(new(ImageSize: (8, 8), Patch: 4, Dim: 8, Depth: 2, Heads: 2, Classes: classes));

    private static void AssertEqual(Module expected, Module actual)
    {
        foreach (var (name, tensor) in expected.StateDict())
            Assert.True(tensor.Equal(actual.StateDict()[name]), name);
    }

    private static OrderedDictionary<string, Tensor> Prefixed(Module model, string prefix) =>
        new(model.StateDict().Select(entry => KeyValuePair.Create(prefix + entry.Key, entry.Value)));

    [Theory]
    [InlineData("module.")]
    [InlineData("_orig_mod.")]
    [InlineData("module._orig_mod.")]
    [InlineData("_orig_mod.module.")]
    [InlineData("model.")]
    [InlineData("net.")]
    [InlineData("backbone.")]
    [InlineData("encoder.")]
    [InlineData("module.backbone.")]
    [InlineData("model.backbone.encoder.")]
    [InlineData("learner.student_network.")]
    public void A_prefix_of_all_names_is_taken_away_and_said(string prefix)
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var (source, target) = (Transformer(), Transformer());
        Checkpoint.SaveSafetensors(folder["w.safetensors"], Prefixed(source, prefix).ToCheckpoint());
        var report = target.Load(folder["w.safetensors"]);
        AssertEqual(source, target);
        // What wrappers of PyTorch add is no choice.
        var wrappers = prefix.Replace("module.", "", StringComparison.Ordinal).Replace("_orig_mod.", "", StringComparison.Ordinal);
        if (wrappers.Length == 0)
            Assert.Empty(report.Notes);
        else
            Assert.Contains($"'{wrappers}'", Assert.Single(report.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void One_of_two_networks_is_refused_with_their_prefixes_and_taken_by_one()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var (first, second, target) = (Transformer(), Transformer(), Transformer());
        var state = Prefixed(first, "student.");
        foreach (var (name, tensor) in Prefixed(second, "teacher."))
            state.Add(name, tensor);
        Checkpoint.SaveSafetensors(folder["w.safetensors"], state.ToCheckpoint());
        var error = Assert.Throws<StateDictException>(() => target.Load(folder["w.safetensors"]));
        Assert.Contains("student. or teacher.", error.Message, StringComparison.Ordinal);
        target.Load(folder["w.safetensors"], new() { Find = new() { Only = "teacher." } });
        AssertEqual(second, target);
    }

    [Fact]
    public void A_mismatch_is_told_by_counts_and_the_first_names()
    {
        using var scope = new Scope();
        var error = Assert.Throws<StateDictException>(() => Net().Load(Prefixed(Transformer(), "")));
        Assert.InRange(error.Message.Length, 50, 800);
        Assert.Matches(@"\d+ missing: .+ and \d+ more", error.Message);
        Assert.Equal(Net().StateDict().Count, error.Report.Missing.Count);
    }

    [Fact]
    public void Files_from_before_batch_norms_counted_their_batches_load()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var (source, target) = (Net(), Net());
        Checkpoint.SaveSafetensors(
            folder["old.safetensors"],
            source.StateDict().Where(entry => !entry.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal)).ToCheckpoint()
        );
        Assert.Empty(target.Load(folder["old.safetensors"]).Notes);
        AssertEqual(source, target);
    }

    [Theory]
    [InlineData(4, "for 4 classes, the model's for 3")]
    [InlineData(0, "the weights have none")]
    public void A_fresh_classifier_is_said(int classes, string note)
    {
        using var scope = new Scope();
        var report = Transformer().Load(Prefixed(Transformer(classes), ""), new() { ReplaceHead = true });
        Assert.Contains(note, Assert.Single(report.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_classifier_that_the_model_does_not_have_is_said_to_be_left_out()
    {
        using var scope = new Scope();
        var report = Transformer(0).Load(Prefixed(Transformer(), ""), new() { ReplaceHead = true });
        Assert.Contains("left out", Assert.Single(report.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.safetensors.index.json")]
    [InlineData("")]
    public void Weights_in_several_files_and_in_a_folder_of_the_hub_load(string file)
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var (source, target) = (Transformer(), Transformer());
        var state = source.StateDict();
        var half = state.Count / 2;
        var map = new Dictionary<string, string>();
        foreach (var (part, entries) in new[] { state.Take(half), state.Skip(half) }.Index())
        {
            var name = $"model-0000{part + 1}-of-00002.safetensors";
            Checkpoint.SaveSafetensors(folder[name], entries.ToCheckpoint());
            foreach (var (tensor, _) in entries)
                map[tensor] = name;
        }
        File.WriteAllText(
            folder["model.safetensors.index.json"],
            System.Text.Json.JsonSerializer.Serialize(new { metadata = new { total_size = 1 }, weight_map = map })
        );
        File.WriteAllText(folder["config.json"], "{}");
        target.Load(file.Length == 0 ? folder.Path : folder[file]);
        AssertEqual(source, target);

        File.Delete(folder["model-00002-of-00002.safetensors"]);
        var error = Assert.Throws<UnsupportedCheckpointException>(() => target.Load(folder["model.safetensors.index.json"]));
        Assert.Contains("model-00002-of-00002.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_port_of_CIFARs_residual_networks_was_normalised_by_the_figures_of_ImageNet() =>
        Assert.All(CifarResNet.Variants, variant =>
            Assert.Equal((Preprocessing.ImageNet.Mean, 1.0), (variant.Preprocessing!.Mean, variant.Preprocessing.CropRatio))
        );
}
