using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class EmbeddingTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private ModelBundle Classifier(int channels = 3)
    {
        Torch.Seed(5);
        var model = Registry.Create("cct_2_3x2_32", new() { Classes = 4, Channels = channels });
        var preprocessing = new Preprocessing([.. Enumerable.Repeat(0.4, channels)], [.. Enumerable.Repeat(0.2, channels)], CropRatio: 1);
        var bundle = ModelBundle.FromModel(model, "cct_2_3x2_32", ["a", "b", "c", "d"], preprocessing);
        bundle.Save(folder["small"]);
        return bundle;
    }

    [Fact]
    public void A_classifier_of_ours_gives_its_own_features_and_logits()
    {
        using var scope = new Scope();
        var bundle = Classifier();
        var embedding = FeatureEmbedding.Open($"classifier:{folder["small"]}");
        Assert.Equal(("classifier:small", "FD-small"), (embedding.Facts.Id, embedding.Facts.DistanceName));
        var images = Drawn.Images(1, 3, side: 32);
        var found = embedding.Of(images);
        using var outside = Torch.NoGrad();
        var prepared = (images - 0.4) / 0.2;
        Near.Equal(bundle.Backbone.ForwardEmbedding(prepared), found.Features, 1e-5);
        Near.Equal(bundle.Model.Call(prepared), found.Logits!, 1e-5);
        Assert.Equal(embedding.Facts.Dimension, found.Features.Size(1));
        // Other sizes are brought to the model's, and grey images have three channels.
        Assert.Equal(3, embedding.Of(Drawn.Images(1, 3, side: 20)).Features.Size(0));
        Near.Equal(embedding.Of(images.Slice(1, 0, 1).Expand([3, 3, 32, 32])).Features, embedding.Of(images.Slice(1, 0, 1)).Features, 1e-6);
    }

    [Fact]
    public void The_hash_is_that_of_weights_and_preparation()
    {
        using var scope = new Scope();
        Classifier();
        var first = FeatureEmbedding.Open($"classifier:{folder["small"]}").Facts.Hash;
        Assert.Equal(first, FeatureEmbedding.Open($"classifier:{folder["small"]}").Facts.Hash);
        var json = Path.Combine(folder["small"], "bundle.json");
        var text = File.ReadAllText(json);
        var changed = text.Replace("0.4", "0.5", StringComparison.Ordinal);
        Assert.NotEqual(text, changed);
        File.WriteAllText(json, changed);
        Assert.NotEqual(first, FeatureEmbedding.Open($"classifier:{folder["small"]}").Facts.Hash);
        Assert.NotEqual(FeatureEmbedding.Open("random-conv:1").Facts.Hash, FeatureEmbedding.Open("random-conv:2").Facts.Hash);
    }

    [Fact]
    public void Images_of_other_channels_are_refused()
    {
        using var scope = new Scope();
        Classifier(channels: 1);
        var embedding = FeatureEmbedding.Open($"classifier:{folder["small"]}");
        var error = Assert.Throws<ShapeException>(() => embedding.Of(Drawn.Images(1, 2).Slice(1, 0, 2)));
        Assert.Equal("classifier:small takes images of 1 channels, not of 2", error.Message);
        Assert.Throws<ShapeException>(() => embedding.Of(Drawn.Images(1, 2)[0]));
        // Grey as colours is grey.
        var grey = Drawn.Images(1, 2, side: 32).Slice(1, 0, 1);
        Near.Equal(embedding.Of(grey).Features, embedding.Of(grey.Expand([2, 3, 32, 32])).Features, 1e-5);
    }

    [Theory]
    [InlineData("fid")]
    [InlineData("inception-fid")]
    [InlineData("inception-fid:")]
    [InlineData("random-conv:-1")]
    [InlineData("classifier")]
    public void A_name_that_is_none_is_refused(string name) =>
        Assert.Equal(
            $"there is no embedding '{name}': it must be inception-fid:FILE, classifier:RUN or random-conv:SEED",
            Assert.Throws<RunException>(() => FeatureEmbedding.Open(name)).Message
        );

    [Fact]
    public void Weights_of_another_network_are_no_Inception()
    {
        using var scope = new Scope();
        var file = folder["other.safetensors"];
        Registry.Create("cct_2_3x2_32", new()).Save(file);
        var error = Assert.Throws<RunException>(() => FeatureEmbedding.Open($"inception-fid:{file}"));
        Assert.StartsWith($"{file} does not hold the weights pt_inception-2015-12-05", error.Message, StringComparison.Ordinal);
        Assert.Throws<RunException>(() => FeatureEmbedding.Open($"inception-fid:{folder["none.pth"]}"));
    }

    [Fact]
    public void The_published_file_lacks_counts_of_batches_and_loads()
    {
        using var scope = new Scope();
        FidInception network;
        using (Nn.Init.Skip())
            network = new();
        using (Torch.NoGrad())
            foreach (var tensor in network.StateDict().Values.Where(tensor => tensor.DType.IsFloat()))
                tensor.Fill_(0.01);
        var state = network.StateDict().Where(entry => !entry.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal)).ToArray();
        Checkpoint.SaveTorch(folder["inception.pth"], state.ToCheckpoint());
        var embedding = FeatureEmbedding.Open($"inception-fid:{folder["inception.pth"]}");
        Assert.Equal(("inception-fid", 2048, 64), (embedding.Facts.Id, embedding.Facts.Dimension, embedding.Facts.Hash.Length));
        // One classifier of another size: the first wrong shape is named.
        var wrong = state.Select(entry => entry.Key == "fc.weight" ? new(entry.Key, entry.Value.Slice(0, 0, 1000)) : entry);
        Checkpoint.SaveTorch(folder["other.pth"], wrong.ToCheckpoint());
        var error = Assert.Throws<RunException>(() => FeatureEmbedding.Open($"inception-fid:{folder["other.pth"]}"));
        Assert.Contains("fc.weight", error.Message, StringComparison.Ordinal);
    }
}
