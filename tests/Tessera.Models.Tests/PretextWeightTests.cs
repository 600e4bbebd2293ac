using Tessera.Checkpoints;
using Tessera.Testing;

namespace Tessera.Models.Tests;

/// <summary>Encoders in the checkpoints of methods without labels, as the authors' programs write them.</summary>
public sealed class PretextWeightTests : IDisposable
{
    private readonly TempFolder folder = new();
    private readonly Scope scope = new();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static ResNet Network(int classes = 5, int width = 4, ResNetStem stem = ResNetStem.Small) =>
        new(new((32, 32), [1, 1, 1, 1], false, classes, Stem: stem, Width: width));

    private static OrderedDictionary<string, Tensor> Below(string prefix, params IEnumerable<KeyValuePair<string, Tensor>> state) =>
        new(state.Select(entry => KeyValuePair.Create(prefix + entry.Key, entry.Value)));

    private static IEnumerable<KeyValuePair<string, Tensor>> Head(bool mlp, int width = 32) =>
        mlp
            ?
            [
                new("fc.0.weight", Torch.Ones([width, width])),
                new("fc.0.bias", Torch.Ones([width])),
                new("fc.2.weight", Torch.Ones([5, width])),
                new("fc.2.bias", Torch.Ones([5])),
            ]
            // As many outputs as the model has classes: it is the head of the loss all the same.
            : [new("fc.weight", Torch.Ones([5, width])), new("fc.bias", Torch.Ones([5]))];

    private string Write(IEnumerable<KeyValuePair<string, Tensor>> state)
    {
        var path = Path.Combine(folder.Path, "weights.pth");
        Checkpoint.SaveTorch(path, new OrderedDictionary<string, Tensor>(state).ToCheckpoint());
        return path;
    }

    private static void Took(ResNet source, ResNet found)
    {
        foreach (var (name, tensor) in source.StateDict().Where(entry => !entry.Key.StartsWith("fc.", StringComparison.Ordinal)))
            Near.Identical(tensor, found.StateDict()[name]);
    }

    private static ResNet Trained()
    {
        Torch.Seed(8);
        return Network(0);
    }

    [Theory]
    [InlineData("module.encoder_q.", "module.encoder_k.", true)]
    [InlineData("module.encoder_q.", "module.encoder_k.", false)]
    [InlineData("encoder_q.", "encoder_k.", true)]
    [InlineData("module.base_encoder.", "module.momentum_encoder.", true)]
    public void The_query_encoder_of_momentum_contrast_is_taken_without_its_head(string student, string beside, bool mlp)
    {
        var source = Trained();
        var other = Network(0);
        var module = student.StartsWith("module.", StringComparison.Ordinal) ? "module." : "";
        var path = Write([
            .. Below(student, [.. source.StateDict(), .. Head(mlp)]),
            .. Below(beside, [.. other.StateDict(), .. Head(mlp)]),
            new($"{module}queue", Torch.Ones([5, 8])),
            new($"{module}queue_ptr", Torch.Zeros([1], DType.Int64)),
        ]);
        var model = Network();
        var before = model.StateDict()["fc.weight"].Clone();
        var report = model.Load(path, new() { ReplaceHead = true });
        Took(source, model);
        Near.Identical(before, model.StateDict()["fc.weight"]);
        Assert.Equal((source.StateDict().Count, model.StateDict().Count), (report.Loaded, report.Tensors));
        Assert.Contains(report.Notes, note => note.Contains($"the head of its loss ({(mlp ? 4 : 2)} tensors)", StringComparison.Ordinal));
        // A program that wants all of the model is told that the classifier is not there.
        var error = Assert.Throws<StateDictException>(() => Network().Load(path));
        Assert.Equal(["fc.weight", "fc.bias"], error.Report.Missing);
        Assert.Contains("tensors are there", error.Message, StringComparison.Ordinal);
        // The momentum copy can be had by its prefix.
        var key = Network();
        key.Load(
            path,
            new()
            {
                ReplaceHead = true,
                Find = new() { Only = beside },
            }
        );
        Took(other, key);
    }

    [Fact]
    public void The_list_of_layers_of_the_demo_is_brought_to_the_networks_names()
    {
        var source = Trained();
        string[] places = ["conv1", "bn1", "relu", "layer1", "layer2", "layer3", "layer4", "pool", "flatten", "fc"];
        IEnumerable<KeyValuePair<string, Tensor>> Demo(string encoder) =>
            Below(
                encoder,
                ((IEnumerable<KeyValuePair<string, Tensor>>)[.. source.StateDict(), .. Head(mlp: false)]).Select(entry =>
                {
                    var parts = entry.Key.Split('.', 2);
                    return KeyValuePair.Create($"net.{Array.IndexOf(places, parts[0])}.{parts[1]}", entry.Value);
                })
            );
        var path = Write([.. Demo("encoder_q."), .. Demo("encoder_k."), new("queue", Torch.Ones([5, 8]))]);
        var model = Network();
        model.Load(path, new() { ReplaceHead = true });
        Took(source, model);
    }

    [Theory]
    [InlineData("model.", "head.0.weight", "bn_last.weight")]
    [InlineData("model.", "head.0.weight", "model_t.conv1.weight")]
    [InlineData("backbone.", "projection_head.layers.0.weight", null)]
    [InlineData("backbone.", "backbone.fc.0.weight", "backbone.fc.2.weight")]
    [InlineData("", "projection_head.0.weight", "projection_head.2.weight")]
    [InlineData("module.encoder.", "module.projector.0.weight", null)]
    public void Encoders_beside_the_heads_of_their_losses_are_taken(string student, string head, string? more)
    {
        var source = Trained();
        var state = Below(student, source.StateDict());
        foreach (var name in new[] { head, more }.OfType<string>())
            state[name] = Torch.Ones([3, 3]);
        var model = Network();
        model.Load(Write(state), new() { ReplaceHead = true });
        Took(source, model);
    }

    [Fact]
    public void Files_of_other_kinds_stay_what_they_are()
    {
        var source = Network();
        var state = Below("backbone.", source.StateDict());
        state["decode_head.conv.weight"] = Torch.Ones([2]);
        Assert.Throws<StateDictException>(() => Network().Load(Write(state), new() { ReplaceHead = true }));
        // A classifier in its place is one.
        var model = Network();
        var report = model.Load(Write(Below("module.", source.StateDict())));
        Near.Identical(source.StateDict()["fc.weight"], model.StateDict()["fc.weight"]);
        Assert.Empty(report.Notes);
        Assert.Equal((model.StateDict().Count, model.StateDict().Count), (report.Loaded, report.Tensors));
    }

    [Fact]
    public void Weights_that_lack_some_are_refused_unless_told_otherwise()
    {
        var source = Network();
        var state = Below("", source.StateDict());
        state.Remove("layer3.0.conv1.weight");
        state["further.weight"] = Torch.Ones([2]);
        var path = Write(state);
        var error = Assert.Throws<StateDictException>(() => Network().Load(path));
        Assert.Equal(["layer3.0.conv1.weight"], error.Report.Missing);
        Assert.Contains($"{state.Count - 1} of {state.Count} tensors are there", error.Message, StringComparison.Ordinal);
        var model = Network();
        var before = model.StateDict()["layer3.0.conv1.weight"].Clone();
        var report = model.Load(path, new() { Partial = true });
        Near.Identical(before, model.StateDict()["layer3.0.conv1.weight"]);
        Near.Identical(source.StateDict()["layer2.0.conv1.weight"], model.StateDict()["layer2.0.conv1.weight"]);
        Assert.Equal((state.Count - 1, state.Count), (report.Loaded, report.Tensors));
        Assert.Equal(
            ["as they were initialised: layer3.0.conv1.weight", "left out, for the model has none of these names: further.weight"],
            report.Notes
        );
        // Another shape is no missing tensor, and weights of which nothing fits are those of another model.
        Assert.Throws<StateDictException>(() => Network(width: 8).Load(path, new() { Partial = true }));
        var none = Write([KeyValuePair.Create("a.b", Torch.Ones([1]))]);
        Assert.Throws<StateDictException>(() => Network().Load(none, new() { Partial = true }));
    }
}
