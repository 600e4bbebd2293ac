using System.Text.Json;
using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Cli.Tests;

public sealed class InspectTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    private Workplace Place => run.Place;

    private static OrderedDictionary<string, Tensor> Weights(int classes = 10) =>
        Registry.Create("cct_2_3x2_32", new() { Classes = classes }).StateDict();

    private string WriteSafetensors(string name, IEnumerable<KeyValuePair<string, Tensor>> state)
    {
        var path = Path.Combine(Place.Folder, name);
        Checkpoint.SaveSafetensors(path, state.ToCheckpoint(), [new("made\u001b[31m by", "hand")]);
        return path;
    }

    private static string[] Models(JsonElement json, string fit) =>
        [
            .. json.GetProperty("fits")
                .EnumerateArray()
                .Where(one => one.GetProperty("fit").GetString() == fit)
                .Select(one => one.GetProperty("model").GetString()!),
        ];

    [Fact]
    public void A_file_is_shown_with_its_tensors_and_the_models_that_it_fits()
    {
        using var scope = new Scope();
        var file = WriteSafetensors("w.safetensors", Weights());
        var text = Place.Run("inspect", file).Succeeded().Output;
        Assert.Contains("safetensors, ", text, StringComparison.Ordinal);
        Assert.Contains(@"made\x1b[31m by", text, StringComparison.Ordinal);
        Assert.Matches(@"classifier\.fc\.weight +float32 +\[10, 128\] +1,280 +5\.00 KiB", text);
        Assert.Matches("cct_2_3x2_32 +all names and shapes", text);

        var json = Place.Run("inspect", file, "--json").Succeeded().Json;
        Assert.Contains("cct_2_3x2_32", Models(json, "Complete"));
        Assert.Equal(Weights().Count, json.GetProperty("tensors").GetArrayLength());
        Assert.Equal("hand", json.GetProperty("metadata").GetProperty("made\u001b[31m by").GetString());
    }

    [Fact]
    public void Other_classes_and_no_fit_at_all_are_told()
    {
        using var scope = new Scope();
        var other = WriteSafetensors("seven.safetensors", Weights(7));
        Assert.Matches("cct_2_3x2_32 +7 classes", Place.Run("inspect", other).Succeeded().Output);
        var strange = WriteSafetensors("strange.safetensors", [new("nothing.of.ours", Torch.Zeros(2))]);
        Assert.Contains("no model has any of these names", Place.Run("inspect", strange).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_by_name_is_compared_in_detail()
    {
        using var scope = new Scope();
        var state = Weights();
        state.Remove("classifier.fc.bias");
        state["more"] = Torch.Zeros(1);
        state["classifier.norm.weight"] = Torch.Zeros(3);
        var file = WriteSafetensors("changed.safetensors", state);
        string[] rows = Place.Run("inspect", file, "--model", "cct_2_3x2_32", "--quiet").Succeeded().Lines;
        Assert.Equal(["missing\tclassifier.fc.bias\t\t", "unexpected\tmore\t\t", "other shape\tclassifier.norm.weight\t[128]\t[3]"], rows);
        Assert.Contains("cct_7_3x1_32", Place.Run("inspect", file, "--model", "cct_7_3x1_31").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_are_chosen_by_pattern_and_a_pattern_without_any_is_refused()
    {
        using var scope = new Scope();
        var file = WriteSafetensors("w.safetensors", Weights());
        Assert.Equal(
            ["classifier.fc.bias", "classifier.fc.weight"],
            Place.Run("inspect", file, "--keys", "classifier.fc.*", "--quiet").Succeeded().Lines.Select(line => line.Split('\t')[0]).Order()
        );
        Assert.Contains("'no.such'", Place.Run("inspect", file, "--keys", "no.such").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void Several_sets_of_weights_are_shown_and_one_is_chosen_by_key()
    {
        using var scope = new Scope();
        var state = Weights();
        var nested = Golden("nested.pth");
        var json = Place.Run("inspect", nested, "--keys", "*", "--json").Succeeded().Json;
        Assert.True(json.GetProperty("contents").GetArrayLength() > 1);
        var flat = WriteSafetensors("two.safetensors", [.. Prefixed("student.", state), .. Prefixed("teacher.", state)]);
        Assert.Contains("cct_2_3x2_32", Models(Place.Run("inspect", flat, "--prefix", "teacher", "--json").Succeeded().Json, "Complete"));
        Assert.Contains("'absent'", Place.Run("inspect", nested, "--key", "absent").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void Code_that_a_pickle_names_is_shown_and_never_run()
    {
        var text = Place.Run("inspect", Golden("forbidden_call.pth"), "--keys", "*").Succeeded().Output;
        Assert.Matches(@"never run +posix\.getcwd", text);
        Assert.Contains("file names this code", text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_checkpoint_is_refused_in_one_line()
    {
        var file = Place.Write("none.pth", "this is no checkpoint");
        Assert.Contains("none.pth", Place.Run("inspect", file).UserError(), StringComparison.Ordinal);
        Assert.Contains("absent.pth", Place.Run("inspect", "absent.pth").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_is_shown_with_its_bundle_and_compared_with_its_own_model()
    {
        var text = Place.Run("inspect", TrainedRun.Name).Succeeded().Output;
        Assert.Matches("model +cct_2_3x2_32, 10 classes, 1 channel", text);
        Assert.Contains("last, moving average", text, StringComparison.Ordinal);
        Assert.Contains("cct_2_3x2_32: all names and shapes", text, StringComparison.Ordinal);
        var json = Place.Run("inspect", TrainedRun.Name, "--ema", "--best", "--json").Succeeded().Json;
        Assert.Equal(["cct_2_3x2_32"], Models(json, "Complete"));
        Assert.StartsWith("ema-", Path.GetFileName(json.GetProperty("file").GetString()), StringComparison.Ordinal);
        Assert.Contains("key", Place.Run("inspect", TrainedRun.Name, "--key", "model").UserError(), StringComparison.Ordinal);
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Prefixed(string prefix, IEnumerable<KeyValuePair<string, Tensor>> state) =>
        state.Select(entry => KeyValuePair.Create(prefix + entry.Key, entry.Value));

    private static string Golden(string name) => Repository.Tests("goldens", "checkpoints", name);
}
