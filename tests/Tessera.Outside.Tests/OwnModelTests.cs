using Tessera.Deploy;
using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Outside.Tests;

/// <summary>A model that somebody else writes: the library takes it for one of its own.</summary>
public sealed class OwnModelTests : LiveTensors
{
    private static Variant Named(string name) =>
        new(name, "a paper", Variant.Configured(new PatchNet.Config((16, 16)), config => new PatchNet(config)), ImageSize: 16);

    private static Backbone Made(string name, ModelOptions? options = null)
    {
        Registry.Add(Named(name));
        var model = Registry.Create(name, options);
        model.Eval();
        return model;
    }

    [Fact]
    public void The_registry_knows_it_and_follows_the_options()
    {
        using var scope = new Scope();
        var model = Assert.IsType<PatchNet>(
            Made(
                "own_net",
                new()
                {
                    Classes = 4,
                    ImageSize = (8, 12),
                    Channels = 1,
                    Dropout = 0.5,
                }
            )
        );
        Assert.Equal((4, 1, 0.5), (model.Classes, model.Channels, model.Options.Dropout));
        Assert.Equal(new Shape(2, 4), model.Call(Torch.Randn([2, 1, 8, 12])).Shape);
        Assert.Equal("own_net", Assert.Single(Registry.Find("own_n*")).Name);
        Assert.Equal("own_net", Registry.Get("own_net").Name);
        Assert.Equal("own_net", Registry.All[^1].Name);
    }

    [Theory]
    [InlineData("vit_tiny_patch16_224")]
    [InlineData("twice")]
    public void A_name_that_is_taken_is_refused(string name)
    {
        if (Registry.Find(name).All(variant => variant.Name != name))
            Registry.Add(Named(name));
        var error = Assert.Throws<ArgumentException>(() => Registry.Add(Named(name)));
        Assert.Contains($"there is a model '{name}' already", error.Message, StringComparison.Ordinal);
        Assert.Single(Registry.All, variant => variant.Name == name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("all_*")]
    [InlineData("line\nbreak")]
    public void A_name_that_nobody_could_write_is_refused(string name)
    {
        var before = Registry.All.Count;
        Assert.Throws<ArgumentException>(() => Registry.Add(Named(name)));
        Assert.Equal(before, Registry.All.Count);
    }

    [Fact]
    public void An_unknown_name_is_told_how_own_models_are_added() =>
        Assert.Contains(
            "Registry.Add",
            Assert.Throws<UnknownModelException>(() => Registry.Get("nobodys_net")).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Threads_that_add_at_once_lose_none()
    {
        Together.Run(8, 20, (thread, round) =>
        {
            Registry.Add(Named($"of_thread_{thread}_{round}"));
            Assert.NotNull(Registry.Get($"of_thread_{thread}_{round}"));
        });
        Assert.Equal(160, Registry.Find("of_thread_*").Count());
    }

    [Fact]
    public void It_answers_the_questions_of_every_model()
    {
        using var scope = new Scope();
        var model = Made("asked_net");
        var image = Torch.Randn([2, 3, 16, 16]);
        var features = model.ForwardFeatures(image);
        Assert.Equal(new Shape(2, 16, 16), features.Shape);
        Near.Equal(model.Call(image), model.ForwardHead(features), 1e-6);
        Assert.Equal([new Shape(2, 16, 16), new Shape(2, 16, 16)], model.ForwardIntermediates(image).Select(block => block.Shape));
        Near.Identical(model.ForwardIntermediates(image)[1], model.ForwardIntermediates(image, indices: -1)[0]);
        Assert.Equal(
            (new Shape(2, 16, 4, 4), 4),
            (model.ForwardFeatureMaps(image)[0].Map.Shape, model.ForwardFeatureMaps(image)[0].Stride)
        );
        Assert.Equal(new Shape(2, 10), model.Run(new(image)).Logits.Shape);
        Assert.Empty(model.AttentionMaps(image));
        Assert.NotEmpty(model.Explain(image.Slice(0, 0, 1)));

        model.ResetClassifier(7);
        Assert.Equal((7, new Shape(2, 7)), (model.Classes, model.Call(image).Shape));
        Assert.Equal(["head.weight", "head.bias"], model.ClassifierNames);
        model.ResetClassifier(0);
        Assert.Equal(new Shape(2, 16), model.Call(image).Shape);
        Assert.DoesNotContain("head.weight", model.StateDict().Keys);
        model.ResetClassifier(3);

        model.Resize(24, 32);
        Assert.Equal(new Shape(1, 48, 16), model.StateDict()["positions"].Shape);
        Assert.Equal(new Shape(2, 3), model.Call(Torch.Randn([2, 3, 24, 32])).Shape);
        Assert.Contains("call Resize first", Assert.Throws<ShapeException>(() => model.Call(image)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_learns_with_the_blocks_recomputed()
    {
        using var scope = new Scope();
        var model = Made("learning_net");
        var image = Torch.Randn([2, 3, 16, 16]);
        model.Call(image).Square().Sum().Backward();
        var expected = model.Parameters().Select(parameter => parameter.Grad!.Clone()).ToArray();
        model.ZeroGrad();
        model.SetGradientCheckpointing();
        model.Call(image).Square().Sum().Backward();
        Assert.All(model.Parameters().Zip(expected), pair => Near.Equal(pair.Second, pair.First.Grad!, 1e-5));
        model.ZeroGrad();
    }

    [Fact]
    public void It_compiles()
    {
        using var scope = new Scope();
        var model = Made("compiled_net");
        var image = Torch.Randn([3, 3, 16, 16]);
        using var quiet = Torch.NoGrad();
        using var compiled = model.Compile();
        Near.Equal(model.Call(image), compiled.Call(image), 1e-5);
    }

    [Theory]
    [InlineData("mine.safetensors")]
    [InlineData("mine.pt")]
    [InlineData("mine.pth")]
    public void It_is_saved_and_loaded(string file)
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var config = new PatchNet.Config((16, 16));
        var (model, other) = (new PatchNet(config), new PatchNet(config));
        var image = Torch.Randn([2, 3, 16, 16]);
        using var quiet = Torch.NoGrad();
        Assert.False(model.Call(image).Equal(other.Call(image)));
        model.Save(folder[file]);
        Assert.Empty(other.Load(folder[file]).Notes);
        Near.Identical(model.Call(image), other.Call(image));
        Assert.Equal(file, Path.GetFileName(Assert.Single(Directory.GetFiles(folder.Path))));

        var fewer = new PatchNet(config with { Classes = 3 });
        Assert.Throws<StateDictException>(() => fewer.Load(folder[file]));
        Assert.Equal(["head.weight", "head.bias"], fewer.Load(folder[file], new() { ReplaceHead = true }).ReplacedHead);
    }

    [Theory]
    [InlineData("mine.onnx", typeof(ArgumentException), "must end with .safetensors, .pt or .pth")]
    [InlineData("mine", typeof(ArgumentException), "must end with .safetensors, .pt or .pth")]
    [InlineData("nowhere/mine.safetensors", typeof(DirectoryNotFoundException), "there is no folder")]
    public void A_file_that_cannot_be_is_refused_by_name(string file, Type type, string reason)
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var error = Record.Exception(() => new PatchNet(new((8, 8))).Save(folder[file]));
        Assert.IsType(type, error);
        Assert.Contains(folder[file], error!.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }
}
