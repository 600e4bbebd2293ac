using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class SegmenterTests : LiveTensors
{
    private const int Classes = 3;

    public static TheoryData<string> HeadNames => [.. SmallHeads.All.Keys];

    private static Mit Encoder() =>
        new(new PvtV2.Config((32, 32), [8, 16, 24, 32], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 7));

    private static Vit Plain(int depth = 12, bool anySize = true) =>
        new(new((32, 32), 16, 24, depth, 3, Classes: 7, DynamicImageSize: anySize));

    [Theory]
    [MemberData(nameof(HeadNames))]
    public void Scores_have_the_size_of_the_finest_map_whatever_the_image(string name)
    {
        using var scope = Torch.Scope();
        var model = SmallHeads.All[name].Create(Encoder(), Classes);
        model.Eval();
        Assert.Equal(0, model.Backbone.Classes);
        Assert.Equal([4, 8, 16, 32], model.MapStrides);
        var size = name == "vt_fpn" ? new Shape(2, Classes, 39, 53) : new Shape(2, Classes, 10, 14);
        var images = Torch.Randn([2, 3, 39, 53]);
        Assert.Equal(size, model.Call(images).Shape);
        Near.Identical(model.Call(images), model.ForwardHead(model.ForwardMaps(images), (39, 53)));
        Near.Identical(model.Call(images), model.Run(new(images)).Logits);
    }

    [Fact]
    public void The_auxiliary_head_of_UPerNet_speaks_in_training_alone()
    {
        using var scope = Torch.Scope();
        var model = SmallHeads.All["upernet"].Create(Encoder(), Classes);
        var images = Torch.Randn([2, 3, 64, 96]);
        Assert.Equal(new Shape(2, Classes, 4, 6), model.Run(new(images)).Named[Outputs.Auxiliary].Shape);
        model.Eval();
        Assert.Empty(model.Run(new(images)).Named);
        Assert.DoesNotContain(new UPerNetOptions(8, AuxiliaryChannels: 0).Create(Encoder(), Classes).StateDict().Keys, key =>
            key.StartsWith("auxiliary_head", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void One_image_alone_cannot_train_a_norm_of_a_single_position()
    {
        using var scope = Torch.Scope();
        var model = SmallHeads.All["upernet"].Create(Encoder(), Classes);
        var refusal = Assert.Throws<ShapeException>(() => model.Call(Torch.Randn([1, 3, 64, 64])));
        Assert.Contains("at least 2 images", refusal.Message, StringComparison.Ordinal);
        model.Eval();
        model.Call(Torch.Randn([1, 3, 64, 64]));
    }

    [Theory]
    [MemberData(nameof(HeadNames))]
    public void Another_number_of_classes_gets_fresh_classifiers_that_a_file_of_the_old_ones_leaves_alone(string name)
    {
        using var scope = Torch.Scope();
        var (before, model) = (SmallHeads.All[name].Create(Encoder(), Classes), SmallHeads.All[name].Create(Encoder(), Classes));
        model.ResetClassifier(5);
        Assert.Equal((5, 5L), (model.Classes, model.Run(new(Torch.Randn([2, 3, 32, 32]))).Logits.Size(1)));
        Assert.All(model.ClassifierNames, classifier => Assert.Equal(5, model.StateDict()[classifier].Size(0)));
        using var folder = new TempFolder();
        Checkpoint.SaveSafetensors(folder["a.safetensors"], before.StateDict().ToCheckpoint());
        Assert.Throws<StateDictException>(() => model.Load(folder["a.safetensors"]));
        var report = model.Load(folder["a.safetensors"], new() { ReplaceHead = true });
        Assert.Equal(model.ClassifierNames, report.ReplacedHead);
        foreach (var (key, value) in before.StateDict().Where(entry => !model.ClassifierNames.Contains(entry.Key)))
            Near.Identical(value, model.StateDict()[key]);
    }

    [Fact]
    public void Names_are_those_of_mmsegmentation()
    {
        using var scope = Torch.Scope();
        var semantic = SmallHeads.All["semantic_fpn"].Create(Encoder(), Classes).StateDict();
        Assert.Equal(new Shape(16, 8, 1, 1), semantic["neck.lateral_convs.0.conv.weight"].Shape);
        Assert.Equal(new Shape(8, 8, 3, 3), semantic["decode_head.scale_heads.3.4.conv.weight"].Shape);
        Assert.Equal(new Shape(Classes), semantic["decode_head.conv_seg.bias"].Shape);
        var upernet = SmallHeads.All["upernet"].Create(Encoder(), Classes).StateDict();
        Assert.Equal(new Shape(8, 64, 3, 3), upernet["decode_head.bottleneck.conv.weight"].Shape);
        Assert.Equal(new Shape(8), upernet["decode_head.psp_modules.3.1.bn.running_mean"].Shape);
        Assert.Equal(new Shape(8, 24, 3, 3), upernet["auxiliary_head.convs.0.conv.weight"].Shape);
        Assert.Contains("backbone.patch_embed1.proj.weight", upernet.Keys);
    }

    [Fact]
    public void Swin_with_UPerNet_has_the_parameters_of_the_published_model()
    {
        using var scope = Torch.Scope();
        using var skip = Nn.Init.Skip();
        var backbone = Registry.Create("swin_tiny_patch4_window7_224", new() { Dense = true });
        var model = new UPerNetOptions().Create(backbone, 150);
        // 31,497,366 of the head and 923,798 of the auxiliary head (Swin's own figures: 60 million in all).
        Assert.Equal(31_497_366 + 923_798, model.ParameterCount - backbone.ParameterCount);
    }

    [Fact]
    public void A_published_SegFormer_loads_although_its_unused_classifier_is_left_out()
    {
        using var scope = Torch.Scope();
        var published = new SegFormer(Encoder(), new SegFormerHead(new([8, 16, 24, 32], 16, Classes)));
        var model = SmallHeads.All["segformer"].Create(Encoder(), Classes);
        var report = model.Load(published.StateDict(), new());
        Assert.Contains("decode_head.conv_seg is left out", Assert.Single(report.Notes), StringComparison.Ordinal);
        foreach (var (name, value) in model.StateDict())
            Near.Identical(published.StateDict()[name], value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("student.")]
    public void Networks_of_TransKD_load_by_themselves_and_out_of_a_whole_distillation(string prefix)
    {
        using var scope = Torch.Scope();
        var source = SmallHeads.All["segformer"].Create(Encoder(), Classes);
        OrderedDictionary<string, Tensor> state = new(
            source
                .StateDict()
                .Select(entry =>
                    KeyValuePair.Create(prefix + entry.Key[(entry.Key.IndexOf('.', StringComparison.Ordinal) + 1)..], entry.Value)
                )
        );
        if (prefix.Length > 0)
            state["skfs.0.conv1.0.weight"] = Torch.Zeros([1]);
        var model = SmallHeads.All["segformer"].Create(Encoder(), Classes);
        var report = Pretrained.Load(model, state, new());
        Assert.Equal(prefix.Length > 0 ? 1 : 0, report.Notes.Count);
        foreach (var (name, value) in source.StateDict())
            Near.Identical(value, model.StateDict()[name]);
    }

    [Fact]
    public void A_file_with_an_auxiliary_head_loads_into_a_model_without_and_says_so()
    {
        using var scope = Torch.Scope();
        var published = SmallHeads.All["upernet"].Create(Encoder(), Classes);
        var model = new UPerNetOptions(8, AuxiliaryChannels: 0).Create(Encoder(), Classes);
        var report = model.Load(published.StateDict(), new());
        Assert.Contains("auxiliary head", Assert.Single(report.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(12, 3, 5, 7, 11)]
    [InlineData(24, 7, 11, 15, 23)]
    [InlineData(2, 0, 0, 0, 1)]
    public void A_plain_transformer_gives_its_maps_after_these_blocks(int depth, params int[] blocks)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var vit = Plain(depth);
        var model = new SegFormerOptions(16).Create(vit, Classes);
        model.Eval();
        var image = Torch.Randn([1, 3, 64, 48]);
        var maps = model.ForwardMaps(image);
        Assert.Equal([(16, 12), (8, 6), (4, 3), (2, 1)], maps.Select(map => (map.Size(2), map.Size(3))));
        Assert.Equal([4, 8, 16, 32], model.MapStrides);
        // The third is the output of its block as it is, the fourth its maximum over squares; neither has seen the final norm.
        var outputs = vit.ForwardIntermediates(image, prefixTokens: false, blocks[2], blocks[3]);
        Near.Identical(outputs[0].ToMap(4, 3).Contiguous(), maps[2].Contiguous());
        Near.Identical(outputs[1].ToMap(4, 3).MaxPool2d(2, 2).Contiguous(), maps[3].Contiguous());
        // The finer ones come from theirs: a change of these blocks' outputs alone reaches them.
        using var other = Torch.NoGrad();
        foreach (var (level, block) in blocks.Take(2).Index())
        {
            vit.NamedParameters().Single(p => p.Name == $"blocks.{block}.mlp.fc2.bias").Parameter.Add_(1);
            var changed = model.ForwardMaps(image);
            Assert.False(changed[level].Equal(maps[level]));
            maps = changed;
        }
    }

    [Fact]
    public void Both_published_names_of_the_rescaling_load_and_the_final_norm_may_be_missing()
    {
        using var scope = Torch.Scope();
        var source = new UPerNetOptions(8, AuxiliaryChannels: 8).Create(Plain(), Classes);
        Assert.Contains("backbone.fpn1.3.weight", source.StateDict().Keys); // BEiT's
        Assert.Contains("backbone.fpn2.0.bias", source.StateDict().Keys);
        OrderedDictionary<string, Tensor> state = new(
            source
                .StateDict()
                .Where(entry => !entry.Key.StartsWith("backbone.norm.", StringComparison.Ordinal))
                .Select(entry =>
                    KeyValuePair.Create(
                        entry
                            .Key.Replace("backbone.fpn1.", "neck.upsample_4x.", StringComparison.Ordinal)
                            .Replace("backbone.fpn2.", "neck.upsample_2x.", StringComparison.Ordinal),
                        entry.Value
                    )
                )
        );
        var model = new UPerNetOptions(8, AuxiliaryChannels: 8).Create(Plain(), Classes);
        model.Load(state, new());
        model.Eval();
        source.Eval();
        var image = Torch.Randn([1, 3, 32, 48]);
        Near.Identical(source.Call(image), model.Call(image));
    }

    [Fact]
    public void Positions_of_another_grid_are_resampled_while_a_segmenter_is_loaded()
    {
        using var scope = Torch.Scope();
        var source = new SegFormerOptions(16).Create(Plain(), Classes);
        var vit = Plain();
        vit.Resize(64, 48);
        var model = new SegFormerOptions(16).Create(vit, Classes);
        model.Load(source.StateDict(), new());
        Assert.Equal(new Shape(1, 13, 24), model.StateDict()["backbone.pos_embed"].Shape);
    }

    [Fact]
    public void A_backbone_that_is_tied_to_its_size_takes_smaller_images_and_refuses_larger_ones()
    {
        using var scope = Torch.Scope();
        var model = new SegFormerOptions(16).Create(Plain(2, anySize: false), Classes);
        model.Eval();
        var image = Torch.Randn([1, 3, 25, 31]);
        // As the padded image, but for what lies in the padding alone.
        var padded = model.ForwardMaps(image.ConstantPadNd([0, 1, 0, 7]));
        Near.Identical(padded[2].Slice(2, 0, 2).Contiguous(), model.ForwardMaps(image)[2].Contiguous());
        Assert.Equal(new Shape(1, Classes, 7, 8), model.Call(image).Shape);
        var refusal = Assert.Throws<ShapeException>(() => model.Call(Torch.Randn([1, 3, 33, 32])));
        Assert.Contains("up to 32 x 32, not 33 x 32", refusal.Message, StringComparison.Ordinal);
        model.Resize(48, 32);
        Assert.Equal(new Shape(1, Classes, 9, 8), model.Call(Torch.Randn([1, 3, 33, 32])).Shape);
    }

    [Fact]
    public void A_new_size_is_tried_without_a_trace_in_training()
    {
        using var scope = Torch.Scope();
        var backbone = new ResNet(new((32, 32), [1, 1, 1, 1], false, 5));
        var model = new SegFormerOptions(16).Create(backbone, Classes);
        Assert.True(backbone.Training);
        model.Call(Torch.Randn([2, 3, 47, 33]));
        Assert.All(backbone.StateDict().Where(entry => entry.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal)), entry =>
            Assert.Equal(1, entry.Value.ToDouble())
        );
    }

    [Fact]
    public void A_new_size_is_tried_without_a_record()
    {
        using var scope = Torch.Scope();
        var model = SmallHeads.All["segformer"].Create(Encoder(), Classes);
        using var taps = new Taps(model, "backbone.embed1");
        model.Call(Torch.Randn([2, 3, 47, 33]));
        Assert.Equal(new Shape(2, 12 * 9, 8), Assert.Single(taps.Records).Value.Shape);
    }

    [Fact]
    public void Texts_have_no_maps()
    {
        using var scope = Torch.Scope();
        var text = Registry.All.First(variant => !variant.TakesImages);
        var refusal = Assert.Throws<ArgumentException>(() =>
            new SegFormerOptions().Create(text.Create(new() { Vocabulary = 20 }), Classes)
        );
        Assert.Contains("no model of images", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(HeadNames))]
    public void Four_images_are_learned_by_heart(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var model = SmallHeads.All[name].Create(Encoder(), Classes);
        // Three colours in 4 x 4 fields of 16 pixels.
        var fields = Torch.Randint(0, Classes, [4, 4, 4]);
        var colours = Torch.Randn([Classes, 3]);
        var images = colours.IndexSelect(0, fields.Flatten()).Reshape(4, 4, 4, 3).Permute(0, 3, 1, 2).UpsampleNearest2d((64, 64));
        var labels = fields.RepeatInterleave(16, 1).RepeatInterleave(16, 2);
        var optimizer = new AdamW([new ParameterGroup([.. model.NamedParameters()])], 3e-3);
        for (var step = 0; step < 60; step++)
        {
            using var one = Torch.Scope();
            model.ZeroGrad();
            model.Call(images).ResizeTo(64, 64).CrossEntropyLoss(labels).Backward();
            optimizer.Step();
        }
        model.Eval();
        var right = model.Call(images).ResizeTo(64, 64).Argmax(1).Eq(labels).To(DType.Float32).Mean().ToDouble();
        Assert.True(right > 0.95, $"{right:P1} of the pixels are right");
    }
}
