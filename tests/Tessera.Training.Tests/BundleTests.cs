using System.Text.Json.Nodes;
using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>What a run leaves for those who use its model.</summary>
[Collection("engine")]
public sealed class BundleTests : IDisposable
{
    private const string Name = "vit_2_4_32";
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private RunFolder Run => new(Path.Combine(folder.Path, "run"));

    private string Json => Path.Combine(Run.BundlePath, "bundle.json");

    private static BundleContent Content =>
        new(
            new(
                Name,
                new()
                {
                    Classes = 3,
                    Channels = 3,
                    ImageSize = (32, 32),
                }
            ),
            new ClassificationTask(7),
            new ImageFacts(["a", "b", "c"], 3, 32, null, [0.5f, 0.25f, 0.125f], [1, 2, 3]),
            new([new Squash(32)], 0.9),
            Precision.Bf16
        );

    // Every tensor of a checkpoint holds the number of its step; those of the moving average the negative.
    private void Save(long step, PrimaryScore? score = null, bool ema = false)
    {
        using var scope = new Scope();
        using var skip = Nn.Init.Skip();
        var state = Content.Task.CreateModel(Content.Model).StateDict();
        var files = new OrderedDictionary<string, IReadOnlyDictionary<string, Tensor>> { ["model"] = Filled(step) };
        if (ema)
            files["ema"] = Filled(-step);
        Run.Checkpoints.Save(new(step, 3, score is not null, 0, 0, StepMetrics.Empty, score), files);

        OrderedDictionary<string, Tensor> Filled(long value) =>
            new(state.Select(entry => KeyValuePair.Create(entry.Key, Torch.Full(entry.Value.Shape, value, entry.Value.DType))));
    }

    private void Write() => new BundleFolder(Run.BundlePath).Write(Content, Run.Checkpoints);

    private double Value(bool best = false, bool ema = false) => Value(ModelBundle.Load(Run.Path, best: best, ema: ema));

    private static double Value(ModelBundle bundle)
    {
        using var scope = new Scope();
        var values = bundle.Model.Parameters().Select(parameter => (parameter.Min().ToDouble(), parameter.Max().ToDouble())).Distinct();
        var (least, most) = Assert.Single(values);
        Assert.Equal(least, most);
        return most;
    }

    [Fact]
    public void A_run_has_a_bundle_from_its_beginning_and_in_the_end_all_that_using_its_model_needs()
    {
        var data = Path.Combine(folder.Path, "data");
        SmallMnist.Write(data);
        var recipe = folder.Write("recipe.yaml", SmallMnist.Recipe(data));
        string[] settings = ["schedule.epochs=1", "task={ name: classification, bins: 7 }", "evaluation.transforms=[squash: 28]"];
        using (var experiment = Experiment.Begin(recipe, settings, Run.Path))
        {
            Assert.Empty(new BundleFolder(Run.BundlePath).Read().Weights);
            Assert.Contains(
                "there are no weights yet",
                Assert.Throws<RunException>(() => ModelBundle.Load(Run.Path)).Message,
                StringComparison.Ordinal
            );
            experiment.Train();

            using var scope = new Scope();
            var bundle = ModelBundle.Load(Run.Path);
            Assert.Equal(new ClassificationTask(7), bundle.Task);
            Assert.Equal(experiment.TrainData.ClassNames, bundle.Classes);
            var facts = (ImageFacts)bundle.Facts;
            Assert.Equal((1, 28, 28), (facts.Channels, facts.Height, facts.Width));
            Assert.Equal(((Data.Images.ImageDataset)experiment.TrainData).Normalization.Mean, facts.Mean);
            Assert.Equal([new Squash(28)], bundle.Content.Preprocessing.Given);
            Assert.Equal(Precision.Fp32, bundle.Content.Precision);
            Equal(experiment.Model.StateDict(), bundle.Model.StateDict());
            Equal(experiment.Trainer.Ema!.StateDict(), ModelBundle.Load(Run.Path, ema: true).Model.StateDict());
        }

        static void Equal(IReadOnlyDictionary<string, Tensor> expected, IReadOnlyDictionary<string, Tensor> found)
        {
            Assert.Equal(expected.Keys, found.Keys);
            Assert.All(expected, entry => Assert.Equal(entry.Value.ToBytes(), found[entry.Key].ToBytes()));
        }
    }

    [Fact]
    public void What_is_written_is_read_back()
    {
        Save(3);
        Write();
        var (found, weights) = new BundleFolder(Run.BundlePath).Read();
        Assert.Equal((Content.Model, Content.Task), (found.Model, found.Task));
        Assert.Equivalent(Content.Facts, found.Facts, strict: true);
        Assert.Equal((Content.Preprocessing.CropRatio, Content.Precision), (found.Preprocessing.CropRatio, found.Precision));
        Assert.Equal(Content.Preprocessing.Given!, found.Preprocessing.Given!);
        var entry = Assert.Single(weights);
        Assert.Equal(("last", false, 3L, (PrimaryScore?)null), (entry.Role, entry.Average, entry.Step, entry.Score));
        Assert.Equal(new FileInfo(Path.Combine(Run.BundlePath, entry.File)).Length, entry.Bytes);
    }

    // Three measured checkpoints and one that is not.
    [Theory]
    [InlineData(true, 0.2, 0.7, 0.4, 2)]
    [InlineData(false, 0.2, 0.7, 0.4, 1)]
    [InlineData(false, 0.9, 0.7, 0.4, 3)]
    [InlineData(true, 0.7, 0.7, 0.4, 2)]
    [InlineData(false, 0.4, 0.7, 0.4, 3)]
    public void The_best_weights_go_by_the_primary_score_in_its_direction(
        bool higherIsBetter,
        double first,
        double second,
        double third,
        int best
    )
    {
        foreach (var (i, score) in ((double[])[first, second, third]).Index())
            Save(i + 1, new("figure", score, higherIsBetter), ema: true);
        Save(4);
        Write();
        Assert.Equal((4, best, -best), (Value(), Value(best: true), Value(best: true, ema: true)));
        var entry = new BundleFolder(Run.BundlePath).Read().Weights.First(one => one.Role == "best");
        Assert.Equal(new PrimaryScore("figure", ((double[])[first, second, third])[best - 1], higherIsBetter), entry.Score);
        // The newest checkpoint has no moving average.
        Assert.Throws<RunException>(() => Value(ema: true));
    }

    [Fact]
    public void Weights_that_there_are_none_of_are_named()
    {
        Save(1);
        Write();
        Assert.EndsWith(
            "there is no moving average of the weights (train.ema)",
            Assert.Throws<RunException>(() => Value(ema: true)).Message,
            StringComparison.Ordinal
        );
        Assert.EndsWith(
            "there are no best weights: nothing was measured yet",
            Assert.Throws<RunException>(() => Value(best: true)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_bundle_works_by_itself_wherever_it_is_copied()
    {
        Save(1, new("figure", 0.5, HigherIsBetter: true), ema: true);
        Write();
        var copy = Path.Combine(folder.Path, "elsewhere");
        Directory.CreateDirectory(copy);
        foreach (var file in Directory.GetFiles(Run.BundlePath))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        Directory.Delete(Run.Path, recursive: true);
        Assert.Equal((1, -1), (Value(ModelBundle.Load(copy)), Value(ModelBundle.Load(copy, best: true, ema: true))));
        Assert.Contains(
            "there is neither a run",
            Assert.Throws<RunException>(() => ModelBundle.Load(Run.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Damaged_and_missing_weights_are_refused_with_their_file()
    {
        Save(1);
        Write();
        var file = Path.Combine(Run.BundlePath, "model-00000001.safetensors");
        var bytes = File.ReadAllBytes(file);
        bytes[^2] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Equal(
            $"{file}: the file is damaged: its length or SHA-256 is not that in bundle.json",
            Assert.Throws<RunException>(() => Value()).Message
        );
        File.Delete(file);
        Assert.StartsWith($"{file}: the file is missing", Assert.Throws<RunException>(() => Value()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("version", "2", "it is of version 2, and this program reads version 1")]
    [InlineData("version", "\"1\"", "")]
    [InlineData("format", "\"zip\"", "its format must be tessera-bundle")]
    [InlineData("model", null, "model is missing")]
    [InlineData("model.name", null, "name")]
    [InlineData("model.name", "\"vit_of_nobody\"", "vit_of_nobody")]
    [InlineData("model.colour", "1", "colour")]
    [InlineData("task", null, "task: must be one of")]
    [InlineData("task.name", "\"clasification\"", "did you mean 'classification'?")]
    [InlineData("task.binz", "3", "binz: unknown field; did you mean 'bins'?")]
    [InlineData("task.bins", "0", "bins: must be 1 to 1000, not 0")]
    [InlineData("data", null, "data is missing")]
    [InlineData("data.classes", null, "classes")]
    [InlineData("data.classes", "null", "classes")]
    [InlineData("data.mean", null, "mean")]
    [InlineData("data.colour", "1", "colour")]
    [InlineData("preprocessing", null, "preprocessing is missing")]
    [InlineData("preprocessing.crop_ratio", null, "preprocessing.crop_ratio is missing")]
    [InlineData("preprocessing.transforms", "[\"squosh\"]", "'squosh' is unknown")]
    [InlineData("precision", null, "precision")]
    [InlineData("precision", "\"fp8\"", "must be one of fp32, bf16, fp16, not 'fp8'")]
    [InlineData("weights", null, "weights are missing")]
    [InlineData("weights", "[{ \"role\": \"last\" }]", "file")]
    public void A_bundle_of_which_something_is_missing_unknown_or_wrong_is_refused_with_its_file(string path, string? value, string problem)
    {
        Save(1);
        Write();
        var root = JsonNode.Parse(File.ReadAllText(Json))!;
        var parts = path.Split('.');
        var owner = (JsonObject)(parts.Length == 1 ? root : root[parts[0]]!);
        if (value is null)
            Assert.True(owner.Remove(parts[^1]));
        else
            owner[parts[^1]] = JsonNode.Parse(value);
        File.WriteAllText(Json, root.ToJsonString());
        Refused(problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{ \"format\": \"tessera-bundle\", \"version\": 1, \"version\": 1 }")]
    public void Text_that_is_no_bundle_is_refused_with_its_file(string text)
    {
        Save(1);
        Write();
        File.WriteAllText(Json, text);
        Refused("");
    }

    private void Refused(string problem)
    {
        var message = Assert.Throws<RunException>(() => ModelBundle.Load(Run.Path)).Message;
        Assert.StartsWith(Json, message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Writing_that_was_interrupted_leaves_the_old_bundle_usable_and_the_next_clears_up()
    {
        Save(1);
        Write();
        // The newest has a file that cannot be taken over: by then its weights lie beside the old ones.
        Save(2, ema: true);
        File.Delete(Path.Combine(Run.Checkpoints.All[0], "ema.safetensors"));
        Assert.ThrowsAny<IOException>(Write);
        Assert.True(File.Exists(Path.Combine(Run.BundlePath, "model-00000002.safetensors")));
        Assert.Equal(1, Value());

        Save(3);
        Write();
        Assert.Equal(3, Value());
        Assert.Equal(["bundle.json", "model-00000003.safetensors"], Directory.GetFiles(Run.BundlePath).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Weights_outlive_their_checkpoint_and_are_not_written_twice()
    {
        Save(1, new("figure", 0.5, HigherIsBetter: true));
        Write();
        var written = File.GetLastWriteTimeUtc(Path.Combine(Run.BundlePath, "model-00000001.safetensors"));
        Write();
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(Run.BundlePath, "model-00000001.safetensors")));
        Directory.Delete(Run.Checkpoints.All[0], recursive: true);
        Assert.Equal((1, 1), (Value(), Value(best: true)));
    }
}
