using System.Text.RegularExpressions;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class RetinaNetTests : LiveTensors
{
    private const int Classes = 3;
    private static readonly RetinaNetOptions small = new(16, 2);

    private static Backbone Encoder(string name) =>
        name switch
        {
            "resnet" => new ResNet(new((64, 64), [1, 1, 1, 1], false, 0)),
            "swin" => new Swin(new((64, 64), 8, [1, 1, 1, 1], [1, 2, 4, 8], 4, Dense: true)),
            "vit" => new Vit(new((64, 64), 16, 24, 4, 3, 0, DynamicImageSize: true)),
            _ => Pyramid(),
        };

    private static Mit Pyramid() =>
        new(new PvtV2.Config((64, 64), [8, 16, 24, 32], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 0));

    private static Tensor Total(OrderedDictionary<string, Tensor> losses) => losses.Values.Aggregate((a, b) => a + b);

    [Theory]
    [InlineData("resnet")]
    [InlineData("swin")]
    [InlineData("pvt")]
    [InlineData("vit")]
    public void All_that_it_uses_learns_at_any_size(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = small.Create(Encoder(name), Classes);
        var images = Torch.Randn([2, 3, 75, 101]);
        var dense = model.Dense(images);
        // A plain transformer's coarsest maps are halves of its only one, rounded down.
        (long, long)[] coarse = name == "vit" ? [(2, 3), (1, 2), (1, 1)] : [(3, 4), (2, 2), (1, 1)];
        Assert.Equal([(10, 13), (5, 7), .. coarse], dense.Scores.Select(map => (map.Size(2), map.Size(3))));
        Assert.All(dense.Scores, map => Assert.Equal(9 * Classes, map.Size(1)));
        Assert.All(dense.Differences, map => Assert.Equal(36, map.Size(1)));
        // Objects of every size, so that the boxes of every level have something to learn.
        var losses = model.Losses(
            images,
            [
                SmallDetectors.Targets((75, 101), ([3, 4, 40, 37], 0), ([10, 8, 101, 75], 2)),
                SmallDetectors.Targets((64, 90), ([0, 0, 90, 64], 1), ([50, 20, 70, 45], 1)),
            ]
        );
        Assert.Equal(["loss_cls", "loss_bbox"], losses.Keys);
        Assert.All(losses.Values, loss => Assert.True(loss.ToDouble() > 0));
        Total(losses).Backward();
        // The finest map is not used, nor is a plain transformer's last norm.
        Assert.All(model.NamedParameters().Where(p => p.Parameter.Grad is null), p =>
            Assert.Matches("^backbone[.](fpn1[.]|norm0[.]|norm1[.]|norm[.])", p.Name)
        );
        Assert.All(model.NamedParameters().Where(p => !p.Name.StartsWith("backbone.", StringComparison.Ordinal)), p =>
            Assert.True(p.Parameter.Grad!.Abs().Sum().ToDouble() > 0, p.Name)
        );
    }

    [Fact]
    public void The_loss_begins_where_a_prior_of_a_hundredth_lets_it_begin()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var model = small.Create(Encoder("resnet"), 20);
        var targets = SmallDetectors.Targets((128, 128), ([8, 8, 60, 70], 3), ([40, 30, 120, 110], 7), ([64, 64, 90, 100], 11));
        var losses = model.Losses(Torch.Randn([2, 3, 128, 128]), [targets, targets]);
        Assert.InRange(losses["loss_cls"].ToDouble(), 1.1, 1.25);
    }

    [Theory]
    [InlineData(DetectorStyle.Mmdetection)]
    [InlineData(DetectorStyle.Torchvision)]
    public void Images_without_objects_have_a_finite_loss_and_none_of_boxes(DetectorStyle style)
    {
        using var scope = Torch.Scope();
        var model = (small with { Style = style }).Create(Pyramid(), Classes);
        var none = SmallDetectors.Targets((64, 64));
        var losses = model.Losses(Torch.Randn([2, 3, 64, 64]), [none, none]);
        Assert.InRange(losses["loss_cls"].ToDouble(), 0, 10);
        Assert.Equal(0, losses["loss_bbox"].ToDouble());
        Total(losses).Backward();
        var untouched = model.NamedParameters().Where(p => p.Parameter.Grad is null).Select(p => p.Name);
        Assert.All(untouched, name => Assert.StartsWith("backbone.norm1.", name, StringComparison.Ordinal));
        Assert.Equal(
            0,
            model.NamedParameters().Single(p => p.Name == "bbox_head.retina_reg.weight").Parameter.Grad!.Abs().Sum().ToDouble()
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Where_nothing_has_a_sufficient_score_nothing_is_found(bool byScore)
    {
        using var scope = Torch.Scope();
        var model = (small with { ByScore = byScore }).Create(Pyramid(), Classes);
        model.Eval();
        var found = Assert.Single(model.Detect(Torch.Randn([1, 3, 64, 64])));
        Assert.Equal((0, new Shape(0, 4), 0L, 0L), (found.Count, found.Boxes.Shape, found.Scores.Size(0), found.Classes.Size(0)));
    }

    [Fact]
    public void An_object_without_area_is_nobodys()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = small.Create(Pyramid(), Classes);
        model.Eval();
        var images = Torch.Randn([1, 3, 64, 64]);
        float[] real = [8, 9, 40, 41];
        var with = model.Losses(images, [SmallDetectors.Targets((64, 64), ([5, 5, 5, 30], 2), (real, 1), ([9, 9, 9, 9], 0))]);
        var without = model.Losses(images, [SmallDetectors.Targets((64, 64), (real, 1))]);
        foreach (var (name, loss) in with)
            Near.Identical(without[name], loss);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(Classes)]
    public void A_class_that_the_model_does_not_have_is_refused(long kind)
    {
        using var scope = Torch.Scope();
        var model = small.Create(Pyramid(), Classes);
        var refusal = Assert.Throws<ArgumentException>(() =>
            model.Losses(Torch.Randn([1, 3, 64, 64]), [SmallDetectors.Targets((64, 64), ([1, 2, 30, 40], kind))])
        );
        Assert.Contains($"class {kind}: classes must be 0 to 2", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_of_a_padded_batch_is_what_it_is_alone()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var model = (small with { Score = 0.005 }).Create(Encoder("resnet"), Classes);
        Spread(model);
        (int, int)[] sizes = [(96, 128), (70, 90)];
        var images = Torch.Randn([2, 3, 96, 128], dtype: DType.Float64);
        using (Torch.NoGrad())
        {
            images[1, .., 70..].Zero_();
            images[1, .., .., 90..].Zero_();
        }
        var both = model.Detect(images, sizes);
        for (var i = 0; i < 2; i++)
        {
            var alone = Assert.Single(model.Detect(images.Slice(0, i, i + 1), [sizes[i]]));
            Assert.True(alone.Count > 10);
            Near.Equal(alone.Boxes, both[i].Boxes, 1e-8);
            Near.Equal(alone.Scores, both[i].Scores, 1e-10);
            var (_, width) = sizes[i];
            Assert.InRange(alone.Boxes.Select(1, 2).Max().ToDouble(), 0, width);
            Assert.InRange(alone.Boxes.Select(1, 3).Max().ToDouble(), 0, sizes[i].Item1);
        }
    }

    [Fact]
    public void What_an_image_is_padded_with_beyond_its_own_multiple_of_32_learns_nothing()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var model = small.Create(Encoder("resnet"), Classes);
        model.Eval();
        // Every anchor of the background costs the same: four times as many would be seen.
        using (Torch.NoGrad())
            model.NamedParameters().Single(p => p.Name == "bbox_head.retina_cls.bias").Parameter.Fill_(3);
        var images = Torch.Randn([1, 3, 64, 128]);
        var target = SmallDetectors.Targets((30, 60), ([2, 3, 28, 27], 1));
        var narrow = model.Losses(images.Slice(2, 0, 32).Slice(3, 0, 64), [target]);
        var wide = model.Losses(images, [target]);
        Assert.InRange(wide["loss_cls"].ToDouble() / narrow["loss_cls"].ToDouble(), 0.9, 1.1);
    }

    // Scores that differ, so that rounding does not change their order.
    private static void Spread(Model model)
    {
        model.To(dtype: DType.Float64);
        using (Torch.NoGrad())
            foreach (var (name, parameter) in model.NamedParameters())
                if (name.StartsWith("bbox_head.", StringComparison.Ordinal))
                    parameter.Add_(parameter.RandnLike() * 0.2);
        model.Eval();
    }

    [Fact]
    public void Objects_come_by_falling_score_and_both_ways_to_look_for_them_find_the_same()
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var options = small with { Score = 0.01, Candidates = 100_000, Detections = 40 };
        var model = options.Create(Pyramid(), Classes);
        Spread(model);
        var images = Torch.Randn([1, 3, 80, 90], dtype: DType.Float64);
        var other = (options with { ByScore = true }).Create(Pyramid(), Classes);
        other.To(dtype: DType.Float64);
        other.Eval();
        other.LoadStateDict(model.StateDict());
        var (first, second) = (Assert.Single(model.Detect(images)), Assert.Single(other.Detect(images)));
        Assert.Equal(40, first.Count);
        Assert.Equal(first.Scores.ToArray<double>().OrderDescending(), first.Scores.ToArray<double>());
        Assert.True(first.Scores.ToArray<double>().Min() > 0.01);
        Near.Equal(first.Boxes, second.Boxes, 1e-9);
        Near.Equal(first.Scores, second.Scores, 1e-12);
        Assert.Equal(first.Classes.ToArray<long>(), second.Classes.ToArray<long>());
    }

    [Fact]
    public void Names_are_those_of_mmdetection_and_another_number_of_classes_starts_fresh()
    {
        using var scope = Torch.Scope();
        var model = (RetinaNet)small.Create(Pyramid(), Classes);
        var state = model.StateDict();
        Assert.Equal(new Shape(16, 16, 1, 1), state["neck.lateral_convs.0.conv.weight"].Shape);
        Assert.Equal(new Shape(16, 32, 3, 3), state["neck.fpn_convs.3.conv.weight"].Shape);
        Assert.Equal(new Shape(16, 16, 3, 3), state["bbox_head.cls_convs.1.conv.weight"].Shape);
        Assert.Equal(new Shape(16), state["bbox_head.reg_convs.0.conv.bias"].Shape);
        Assert.Equal(new Shape(9 * Classes, 16, 3, 3), state["bbox_head.retina_cls.weight"].Shape);
        Assert.Equal(new Shape(36), state["bbox_head.retina_reg.bias"].Shape);
        model.ResetClassifier(5);
        Assert.Equal((5, new Shape(45)), (model.Classes, model.StateDict()["bbox_head.retina_cls.bias"].Shape));
        Assert.Equal(-4.59512, model.StateDict()["bbox_head.retina_cls.bias"].Mean().ToDouble(), 5);
        Assert.Equal(["bbox_head.retina_cls.weight", "bbox_head.retina_cls.bias"], model.ClassifierNames);
    }

    [Theory]
    [InlineData(ConvNorm.None, null, 34_014_999 + 53_120)]
    [InlineData(ConvNorm.Group, FpnExtra.OnInput, 38_198_935)]
    public void Both_versions_of_torchvision_have_their_parameters(ConvNorm norm, FpnExtra? extra, long parameters)
    {
        using var scope = Torch.Scope();
        using var skip = Init.Skip();
        // Its first version keeps the 53,120 scales and shifts of batch norms as buffers, which it does not count.
        var options = new RetinaNetOptions(Style: DetectorStyle.Torchvision, Norm: norm, Extra: extra);
        Assert.Equal(parameters, options.Create(Registry.Create("resnet50"), 91).ParameterCount);
    }

    [Theory]
    [InlineData(ConvNorm.None, true)]
    [InlineData(ConvNorm.None, false)]
    [InlineData(ConvNorm.Group, true)]
    public void A_file_of_torchvision_loads(ConvNorm norm, bool indexed)
    {
        using var scope = Torch.Scope();
        var options = new RetinaNetOptions(32, 2, DetectorStyle.Torchvision, Norm: norm);
        var (source, target) = (options.Create(Encoder("resnet"), Classes), options.Create(Encoder("resnet"), Classes));
        OrderedDictionary<string, Tensor> theirs = [];
        foreach (var (name, value) in source.StateDict())
            if (!name.EndsWith("num_batches_tracked", StringComparison.Ordinal))
                theirs[Theirs(name, indexed)] = value;
        Assert.Contains("backbone.fpn.extra_blocks.p7.weight", theirs.Keys);
        Assert.Contains($"head.classification_head.conv.{(indexed ? "1.0" : "2")}.weight", theirs.Keys);
        Assert.Contains("torchvision", Assert.Single(target.Load(new(theirs), new()).Notes), StringComparison.Ordinal);
        foreach (var (name, value) in source.StateDict())
            Near.Identical(value, target.StateDict()[name]);
        var other = (options with { Style = DetectorStyle.Mmdetection, Extra = FpnExtra.OnOutput }).Create(Encoder("resnet"), Classes);
        Assert.Contains("style torchvision", other.Load(new(theirs), new()).Notes[1], StringComparison.Ordinal);
    }

    private static string Theirs(string name, bool indexed)
    {
        var index = indexed ? ".0" : "";
        foreach (
            var (pattern, replacement) in new[]
            {
                (@"^backbone\.", "backbone.body."),
                (@"^neck\.lateral_convs\.(\d)\.conv\.", $"backbone.fpn.inner_blocks.$1{index}."),
                (@"^neck\.fpn_convs\.3\.conv\.", "backbone.fpn.extra_blocks.p6."),
                (@"^neck\.fpn_convs\.4\.conv\.", "backbone.fpn.extra_blocks.p7."),
                (@"^neck\.fpn_convs\.(\d)\.conv\.", $"backbone.fpn.layer_blocks.$1{index}."),
                (@"^bbox_head\.retina_cls\.", "head.classification_head.cls_logits."),
                (@"^bbox_head\.retina_reg\.", "head.regression_head.bbox_reg."),
                (@"^bbox_head\.cls_convs\.(\d)\.conv\.", "head.classification_head.conv.$1.0."),
                (@"^bbox_head\.reg_convs\.(\d)\.conv\.", "head.regression_head.conv.$1.0."),
                (@"^bbox_head\.cls_convs\.(\d)\.gn\.", "head.classification_head.conv.$1.1."),
                (@"^bbox_head\.reg_convs\.(\d)\.gn\.", "head.regression_head.conv.$1.1."),
            }
        )
            if (Regex.IsMatch(name, pattern))
            {
                name = Regex.Replace(name, pattern, replacement);
                break;
            }
        return indexed
            ? name
            : Regex.Replace(name, @"_head\.conv\.(\d)\.0\.", match => $"_head.conv.{2 * (match.Groups[1].Value[0] - '0')}.");
    }

    [Fact]
    public void A_file_of_mmdetection_without_the_norm_of_the_map_that_it_does_not_use_loads()
    {
        using var scope = Torch.Scope();
        var (source, target) = (small.Create(Encoder("swin"), Classes), small.Create(Encoder("swin"), Classes));
        OrderedDictionary<string, Tensor> theirs = new(
            source.StateDict().Where(entry => !entry.Key.StartsWith("backbone.norm0.", StringComparison.Ordinal))
        );
        target.Load(theirs, new());
        foreach (var (name, value) in source.StateDict())
            if (!name.StartsWith("backbone.norm0.", StringComparison.Ordinal))
                Near.Identical(value, target.StateDict()[name]);
    }

    [Fact]
    public void Options_that_cannot_be_are_refused_by_name()
    {
        using var scope = Torch.Scope();
        Assert.Contains(
            "negative",
            Assert.Throws<ArgumentException>(() => new RetinaNetOptions(Positive: 0.3)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "extra",
            Assert.Throws<ArgumentException>(() => new RetinaNetOptions(Extra: FpnExtra.None)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "ratios",
            Assert.Throws<ArgumentException>(() => new RetinaNetOptions(Ratios: [])).Message,
            StringComparison.Ordinal
        );
        var encoder = Pyramid();
        Assert.Contains(
            "Octaves must be 1",
            Assert.Throws<ArgumentException>(() => (small with { Octaves = 0 }).Create(encoder, Classes)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Under_autocast_losses_stay_whole_numbers_of_32_bits()
    {
        using var scope = Torch.Scope();
        var model = small.Create(Encoder("resnet"), Classes);
        using var shorter = Torch.Autocast(DType.BFloat16, DeviceType.Cpu);
        var losses = model.Losses(Torch.Randn([1, 3, 64, 64]), [SmallDetectors.Targets((64, 64), ([3, 4, 40, 37], 0))]);
        Assert.All(losses.Values, loss => Assert.Equal((DType.Float32, 1), (loss.DType, loss.Isfinite().ToDouble())));
        model.Eval();
        Assert.Equal(DType.Float32, Assert.Single(model.Detect(Torch.Randn([1, 3, 64, 64]))).Boxes.DType);
    }

    [Fact]
    public void It_learns_two_images_of_rectangles_by_heart()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = new RetinaNetOptions(32, 2).Create(
            new Mit(new PvtV2.Config((64, 64), [16, 32, 48, 64], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 0)),
            Classes
        );
        (float[] Box, long Class)[][] objects =
        [
            [([6, 8, 40, 36], 0), ([44, 60, 90, 92], 1), ([60, 10, 84, 50], 2)],
            [([10, 50, 60, 90], 1), ([50, 6, 90, 40], 0)],
        ];
        var images = Torch.Zeros([2, 3, 96, 96]);
        foreach (var (i, image) in objects.Index())
        foreach (var (box, kind) in image)
            images[i, (int)kind, (int)box[1]..(int)box[3], (int)box[0]..(int)box[2]].Fill_(2);
        DetectorTargets[] targets = [.. objects.Select(image => SmallDetectors.Targets((96, 96), image))];
        var optimizer = new AdamW(ParameterGroup.All(model, 1e-4), 2e-3);
        for (var step = 0; step < 250; step++)
        {
            using var inner = Torch.Scope();
            optimizer.ZeroGrad();
            Total(model.Losses(images, targets)).Backward();
            optimizer.Step();
        }
        model.Eval();
        var found = model.Detect(images);
        foreach (var (i, image) in objects.Index())
        {
            // The likeliest boxes are the objects: an AP50 of 1.
            var boxes = found[i].Boxes.ToArray<float>().Chunk(4).ToArray();
            var classes = found[i].Classes.ToArray<long>();
            Assert.All(image, thing =>
                Assert.Single(Enumerable.Range(0, image.Length), k => classes[k] == thing.Class && Overlap(boxes[k], thing.Box) > 0.5)
            );
        }
    }

    private static double Overlap(float[] a, float[] b) => Tessera.Models.Detection.Boxes.Iou(Tensor.From(a), Tensor.From(b)).ToDouble();
}
