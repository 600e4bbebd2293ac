using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class SitTests
{
    private static Sit Small(SitVersion version, int classes = 5, int? representation = null) =>
        new(new((16, 16), 4, 24, 2, 3, version, classes, RepresentationSize: representation));

    public static TheoryData<SitVersion> Versions => [SitVersion.V1, SitVersion.V1b, SitVersion.V2];

    private static void Close(Tensor expected, Tensor actual) => Assert.True(expected.Allclose(actual, 1e-5, 1e-5));

    [Theory]
    [InlineData("sit_tiny_patch16_224", 0, 5_524_416)]
    [InlineData("sit_small_patch16_224", 0, 21_665_664)]
    [InlineData("sit_base_patch16_224", 0, 85_798_656)]
    [InlineData("sit_v1_base_patch16_224", 10, 85_815_572)]
    public void Published_sizes_have_as_many_parameters_as_published(string name, int classes, long parameters)
    {
        using var scope = Torch.Scope();
        using var skip = Init.Skip();
        Assert.Equal(parameters, Registry.Create(name, new() { Classes = classes }).ParameterCount);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Names_of_tokens_and_classifiers_are_the_authors(SitVersion version)
    {
        using var scope = Torch.Scope();
        var names = Small(version).StateDict().Keys.ToArray();
        string[] tokens = version switch
        {
            SitVersion.V1 => ["rot_token", "contrastive_token"],
            SitVersion.V1b => ["cls_token1", "cls_token2"],
            _ => ["cls_token"],
        };
        Assert.Equal([.. tokens, "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"], names[..(tokens.Length + 3)]);
        string[] heads = version switch
        {
            SitVersion.V1 => ["rot_head.weight", "rot_head.bias", "contrastive_head.weight", "contrastive_head.bias"],
            SitVersion.V1b => ["rot_head.weight", "rot_head.bias", "contr_head.weight", "contr_head.bias"],
            _ => ["head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"],
        };
        Assert.Equal(["norm.weight", "norm.bias", .. heads], names[^(heads.Length + 2)..]);
    }

    [Fact]
    public void The_prediction_of_two_heads_is_the_mean_of_their_logits_each_of_its_own_token()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = Small(SitVersion.V1);
        model.Eval();
        var image = Torch.Randn([2, 3, 16, 16]);
        var tokens = model.ForwardFeatures(image);
        var state = model.StateDict();
        Tensor Head(string name, int token) => Torch.Linear(tokens.Select(1, token), state[$"{name}.weight"], state[$"{name}.bias"]);
        var (rotation, contrastive) = (Head("rot_head", 0), Head("contrastive_head", 1));
        Close((rotation + contrastive) / 2, model.Call(image));
        var outputs = model.Run(new(image));
        Close(Torch.Stack([rotation, contrastive], 0), outputs.Named[Outputs.Heads]);
        Close((rotation + contrastive) / 2, outputs.Logits);
    }

    [Fact]
    public void The_classifier_of_v2_sees_the_class_token_and_the_mean_of_the_patches()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = Small(SitVersion.V2);
        model.Eval();
        var image = Torch.Randn([2, 3, 16, 16]);
        var tokens = model.ForwardFeatures(image);
        var pooled = model.ForwardHead(tokens, preLogits: true);
        Close(tokens.Select(1, 0), pooled.Slice(1, 0, 24));
        Close(tokens.Slice(1, 1).Mean([1]), pooled.Slice(1, 24));
    }

    [Theory]
    [InlineData(SitVersion.V1b)]
    [InlineData(SitVersion.V2)]
    public void Another_size_gives_the_same_at_run_time_as_after_a_resize_and_after_loading(SitVersion version)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = Small(version);
        model.Eval();
        var image = Torch.Randn([1, 3, 24, 20]);
        var expected = model.Call(image);
        var other = new Sit(model.Options with { ImageSize = (24, 20) });
        other.Eval();
        other.Load(new OrderedDictionary<string, Tensor>(model.StateDict()));
        Close(expected, other.Call(image));
        model.Resize(24, 20);
        Close(expected, model.Call(image));
    }

    [Fact]
    public void Version_1_takes_its_own_size_until_it_is_resized()
    {
        using var scope = Torch.Scope();
        var model = Small(SitVersion.V1);
        Assert.Contains(
            "call Resize first",
            Assert.Throws<ShapeException>(() => model.Call(Torch.Zeros([1, 3, 24, 24]))).Message,
            StringComparison.Ordinal
        );
        model.Resize(24, 24);
        Assert.Equal(new Shape(1, 5), model.Call(Torch.Zeros([1, 3, 24, 24])).Shape);
    }

    [Fact]
    public void The_sampling_of_positions_goes_by_the_factors_and_not_by_the_sizes()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var table = Torch.Randn([1, 17, 8]);
        var byFactors = PositionTable.Resample(table, (4, 4), (6, 6), 1, PositionResampling.BicubicByFactors);
        var bySizes = PositionTable.Resample(table, (4, 4), (6, 6), 1, PositionResampling.Bicubic);
        Assert.Equal(new Shape(1, 37, 8), byFactors.Shape);
        Assert.False(byFactors.Allclose(bySizes, 1e-3, 1e-3));
        Assert.True(byFactors.Slice(1, 0, 1).Equal(table.Slice(1, 0, 1)));
        Assert.Same(table, PositionTable.Resample(table, (4, 4), (4, 4), 1, PositionResampling.BicubicByFactors));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Only_version_1_spares_tokens_and_positions_from_decay(SitVersion version)
    {
        using var scope = Torch.Scope();
        var model = Small(version);
        string[] spared = version == SitVersion.V1 ? ["rot_token", "contrastive_token", "pos_embed"] : [];
        Assert.Equal(spared, model.NamedParameters().Select(entry => entry.Name).Where(model.NoWeightDecay));
    }

    private static PretrainedReport LoadFile(TempFolder folder, Sit model, IEnumerable<(string Name, Tensor Value)> entries)
    {
        var path = Path.Combine(folder.Path, "published.pth");
        Checkpoint.SaveTorch(
            path,
            new OrderedDictionary<string, Tensor>(entries.Select(entry => KeyValuePair.Create(entry.Name, entry.Value))).ToCheckpoint()
        );
        return model.Load(path, new() { ReplaceHead = true });
    }

    private static void AssertBackboneOf(Sit expected, Sit actual)
    {
        foreach (var (name, tensor) in expected.StateDict().Where(entry => !expected.ClassifierNames.Contains(entry.Key)))
            Assert.True(tensor.Equal(actual.StateDict()[name]), name);
    }

    private static IEnumerable<(string, Tensor)> Backbone(Sit source, string prefix = "") =>
        source
            .StateDict()
            .Where(entry => !source.ClassifierNames.Contains(entry.Key))
            .Select(entry => ($"{prefix}{entry.Key}", entry.Value));

    [Theory]
    [InlineData("module.backbone.", "module.")]
    [InlineData("backbone.", "")]
    public void A_published_file_of_v2_loads_although_it_holds_the_heads_of_its_pre_training(string prefix, string outer)
    {
        using var scope = Torch.Scope();
        using var folder = new TempFolder();
        Torch.Seed(5);
        var (source, model) = (Small(SitVersion.V2), Small(SitVersion.V2));
        var before = model.StateDict()["head.0.weight"].Clone();
        var report = LoadFile(
            folder,
            model,
            [
                .. Backbone(source, prefix),
                ($"{outer}head.mlp.0.weight", Torch.Randn([32, 24])),
                ($"{outer}head.mlp.7.running_mean", Torch.Zeros([16])),
                ($"{outer}head_recons.mlp.0.weight", Torch.Randn([24, 24])),
                ($"{outer}head_recons.convTrans.weight", Torch.Randn([24, 3, 4, 4])),
            ]
        );
        AssertBackboneOf(source, model);
        Assert.Equal(model.ClassifierNames, report.ReplacedHead);
        Assert.True(before.Equal(model.StateDict()["head.0.weight"]));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(4)]
    public void A_published_file_of_v1_loads_without_the_heads_of_its_pre_training_even_where_they_fit(int classes)
    {
        using var scope = Torch.Scope();
        using var folder = new TempFolder();
        Torch.Seed(6);
        var (source, model) = (Small(SitVersion.V1), Small(SitVersion.V1, classes));
        var before = model.StateDict()["rot_head.weight"].Clone();
        var report = LoadFile(
            folder,
            model,
            [
                .. Backbone(source),
                ("rot_w", Torch.Ones([1])),
                ("contrastive_w", Torch.Ones([1])),
                ("recons_w", Torch.Ones([1])),
                ("rot_head.weight", Torch.Randn([4, 24])),
                ("rot_head.bias", Torch.Randn([4])),
                ("contrastive_head.weight", Torch.Randn([512, 24])),
                ("contrastive_head.bias", Torch.Randn([512])),
                ("convTrans.weight", Torch.Randn([24, 3, 4, 4])),
                ("convTrans.bias", Torch.Randn([3])),
            ]
        );
        AssertBackboneOf(source, model);
        Assert.Equal(model.ClassifierNames, report.ReplacedHead);
        Assert.True(before.Equal(model.StateDict()["rot_head.weight"]));
    }

    [Fact]
    public void A_fine_tuned_file_of_another_grid_keeps_its_classifiers()
    {
        using var scope = Torch.Scope();
        using var folder = new TempFolder();
        Torch.Seed(7);
        var source = Small(SitVersion.V1);
        var model = new Sit(source.Options with { ImageSize = (24, 24) });
        Assert.Empty(LoadFile(folder, model, source.StateDict().Select(entry => (entry.Key, entry.Value))).ReplacedHead);
        Assert.True(source.StateDict()["contrastive_head.weight"].Equal(model.StateDict()["contrastive_head.weight"]));
        source.Resize(24, 24);
        Assert.True(source.StateDict()["pos_embed"].Equal(model.StateDict()["pos_embed"]));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void A_classifier_can_be_taken_away_and_given_for_other_classes(SitVersion version)
    {
        using var scope = Torch.Scope();
        var model = Small(version);
        model.Eval();
        var image = Torch.Zeros([2, 3, 16, 16]);
        model.ResetClassifier(0);
        Assert.Equal(new Shape(2, version == SitVersion.V2 ? 48 : 24), model.Call(image).Shape);
        Assert.DoesNotContain(model.StateDict().Keys, model.ClassifierNames.Contains);
        model.ResetClassifier(7);
        Assert.Equal(new Shape(2, 7), model.Call(image).Shape);
    }

    [Fact]
    public void A_tanh_layer_belongs_to_the_classifiers_of_v1_and_is_refused_in_v2()
    {
        using var scope = Torch.Scope();
        var model = Small(SitVersion.V1, representation: 12);
        Assert.Equal(12, model.NumFeatures);
        Assert.Equal(new Shape(2, 2, 12), model.ForwardHead(model.ForwardFeatures(Torch.Zeros([2, 3, 16, 16])), preLogits: true).Shape);
        Assert.Contains("pre_logits_contrastive.fc.weight", model.ClassifierNames);
        Assert.Throws<ArgumentException>(() => Small(SitVersion.V2, representation: 12));
    }
}
