using System.Globalization;
using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Detection;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class RcnnTests : LiveTensors
{
    public static TheoryData<string> Names => [.. SmallRcnns.All.Keys];

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (var name in SmallRcnns.All.Keys)
            foreach (var backbone in SmallRcnns.Backbones.Keys)
                pairs.Add(name, backbone);
            return pairs;
        }
    }

    private static Detector Create(string name, string backbone = "pvt_v2", int classes = DrawnShapes.Classes)
    {
        Torch.Seed(3);
        return SmallRcnns.All[name].Create(SmallRcnns.Backbones[backbone](), classes);
    }

    private static Tensor Total(OrderedDictionary<string, Tensor> losses) => losses.Values.Aggregate((sum, next) => sum + next);

    // Maps of blocks lie before the final norm of a plain transformer.
    private static void EveryParameterLearns(Detector model) =>
        Assert.All(
            model.NamedParameters().Where(p => !(model.Backbone is Vit && p.Name.StartsWith("backbone.norm.", StringComparison.Ordinal))),
            p => Assert.True(p.Parameter.Grad is { } gradient && gradient.Isfinite().All().ToDouble() == 1, p.Name)
        );

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_detector_learns_and_finds_over_every_kind_of_backbone(string name, string backbone)
    {
        using var scope = Torch.Scope();
        var model = Create(name, backbone);
        var (images, targets) = SmallRcnns.Batch(2);
        var losses = model.Losses(images, targets);
        Assert.All(losses, loss => Assert.True(double.IsFinite(loss.Value.ToDouble()), loss.Key));
        Total(losses).Backward();
        EveryParameterLearns(model);

        model.Eval();
        var found = model.Detect(images, [(64, 64), (40, 50)]);
        Assert.Equal(2, found.Count);
        foreach (var (detections, (height, width)) in found.Zip([(64, 64), (40, 50)]))
        {
            Assert.InRange(detections.Count, 1, 20);
            Assert.Equal(model.HasMasks ? new Shape(detections.Count, 28, 28) : (Shape?)null, detections.Masks?.Shape);
            Assert.InRange(detections.Boxes.Amin().ToDouble(), 0, 64);
            Assert.InRange(detections.Boxes.Slice(1, 2).Amax(0)[0].ToDouble(), 0, width);
            Assert.InRange(detections.Boxes.Slice(1, 2).Amax(0)[1].ToDouble(), 0, height);
            var scores = detections.Scores.ToArray<double>();
            Assert.Equal(scores.OrderDescending(), scores);
            Assert.All(detections.Classes.ToArray<long>(), kind => Assert.InRange(kind, 0, DrawnShapes.Classes - 1));
        }
    }

    [Theory]
    [InlineData("faster_rcnn", "loss_rpn_cls loss_rpn_bbox loss_cls loss_bbox")]
    [InlineData("mask_rcnn", "loss_rpn_cls loss_rpn_bbox loss_cls loss_bbox loss_mask")]
    [InlineData("cascade_rcnn", "loss_rpn_cls loss_rpn_bbox s0.loss_cls s0.loss_bbox s1.loss_cls s1.loss_bbox s2.loss_cls s2.loss_bbox")]
    public void Losses_have_the_names_of_mmdetection(string name, string expected)
    {
        using var scope = Torch.Scope();
        var (images, targets) = SmallRcnns.Batch(1);
        Assert.Equal(expected.Split(' '), Create(name).Losses(images, targets).Keys);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_image_of_a_padded_batch_is_seen_as_by_itself(string name)
    {
        using var scope = Torch.Scope();
        var model = Create(name);
        model.To(dtype: DType.Float64);
        model.Eval();
        var (images, _) = SmallRcnns.Batch(2);
        images = images.To(DType.Float64);
        (int, int)[] sizes = [(64, 64), (48, 56)];
        var together = model.Detect(images, sizes);
        for (var i = 0; i < 2; i++)
        {
            var alone = Assert.Single(model.Detect(images[i..(i + 1)], [sizes[i]]));
            Near.Equal(alone.Boxes, together[i].Boxes, 1e-9);
            Near.Equal(alone.Scores, together[i].Scores, 1e-9);
            Near.Identical(alone.Classes, together[i].Classes);
            if (alone.Masks is { } masks)
                Near.Equal(masks, together[i].Masks!, 1e-9);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_batch_without_objects_has_losses_of_background_alone_and_gradients_everywhere(string name)
    {
        using var scope = Torch.Scope();
        var model = Create(name);
        var (images, targets) = SmallRcnns.Batch(2);
        targets = [.. targets.Select(target => Emptied(target, target.Size))];
        var losses = model.Losses(images, targets);
        Assert.All(losses, loss =>
            Assert.True(
                loss.Key.Contains("cls", StringComparison.Ordinal) ? loss.Value.ToDouble() is > 0 and < 100 : loss.Value.ToDouble() == 0,
                loss.Key
            )
        );
        Total(losses).Backward();
        EveryParameterLearns(model);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Images_in_which_no_box_fits_have_no_proposals_and_finite_losses(string name)
    {
        using var scope = Torch.Scope();
        var model = Create(name);
        var (images, targets) = SmallRcnns.Batch(2);
        // All boxes are clipped to nothing.
        var losses = model.Losses(images, [.. targets.Select(target => Emptied(target, (0, 0)))]);
        Assert.All(losses, loss => Assert.True(double.IsFinite(loss.Value.ToDouble()), loss.Key));
        Total(losses).Backward();
        EveryParameterLearns(model);
        model.Eval();
        Assert.All(model.Detect(images, [(0, 0), (0, 0)]), found => Assert.Equal(0, found.Count));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_object_without_area_is_left_out(string name)
    {
        using var scope = Torch.Scope();
        var (images, targets) = SmallRcnns.Batch(1);
        var (boxes, kinds, masks) = (targets[0].Boxes, targets[0].Classes, targets[0].Masks!);
        var line = Tensor.From<float>([5, 9, 30, 9], 1, 4);
        DetectorTargets[] more =
        [
            new((64, 64), Torch.Cat([line, boxes]), Torch.Cat([kinds[..1], kinds]), Torch.Cat([masks[..1].ZerosLike(), masks])),
        ];
        var (expected, actual) = (Losses(targets), Losses(more));
        foreach (var (key, loss) in expected)
            Near.Identical(loss, actual[key]);

        OrderedDictionary<string, Tensor> Losses(DetectorTargets[] given)
        {
            var model = Create(name);
            Torch.Seed(8);
            return model.Losses(images, given);
        }
    }

    private static DetectorTargets Emptied(DetectorTargets target, (int Height, int Width) size) =>
        new(size, target.Boxes[..0], target.Classes[..0], target.Masks![..0]);

    [Theory]
    [MemberData(nameof(Names))]
    public void Two_trainings_of_fifty_steps_are_equal_to_the_last_bit(string name)
    {
        using var scope = Torch.Scope();
        var (images, targets) = SmallRcnns.Batch(2);
        var first = Trained();
        foreach (var (key, value) in Trained())
            Near.Identical(first[key], value);

        OrderedDictionary<string, Tensor> Trained()
        {
            var model = Create(name);
            Train(model, images, targets, 50);
            return model.StateDict();
        }
    }

    private static void Train(Detector model, Tensor images, DetectorTargets[] targets, int steps)
    {
        var optimizer = new AdamW([new ParameterGroup([.. model.NamedParameters()])], 2e-3);
        for (var step = 0; step < steps; step++)
        {
            using var one = Torch.Scope();
            model.ZeroGrad();
            Total(model.Losses(images, targets)).Backward();
            optimizer.Step();
        }
    }

    [Theory]
    [Trait("Category", "Long")]
    [MemberData(nameof(Names))]
    public void Two_pictures_are_learned_by_heart(string name)
    {
        using var scope = Torch.Scope();
        var (images, targets) = SmallRcnns.Batch(2);
        var model = Create(name);
        Train(model, images, targets, 300);
        model.Eval();
        foreach (var (found, target) in model.Detect(images).Zip(targets))
        {
            var overlaps = Boxes.Iou(target.Boxes.Unsqueeze(1), found.Boxes.Unsqueeze(0));
            var right = overlaps.Gt(0.5).LogicalAnd(target.Classes.Unsqueeze(1).Eq(found.Classes)).LogicalAnd(found.Scores.Gt(0.5));
            Assert.Equal(target.Boxes.Size(0), right.Any(1).Sum().ToInt64());
        }
    }

    [Fact]
    public void Heads_have_as_many_parameters_as_the_published_ones()
    {
        using var scope = Torch.Scope();
        using var skip = Nn.Init.Skip();
        const int Rpn = 590_080 + 771 + 3_084,
            Box = 12_846_080 + 1_049_600 + 83_025 + 328_000,
            Mask = 4 * 590_080 + 262_400 + 20_560,
            // Of convolutions with batch norm and one linear map.
            Convolutions = 4 * (589_824 + 512) + 12_846_080 + 83_025 + 328_000;
        Assert.Equal(Rpn + Box, Of(new FasterRcnnOptions()));
        Assert.Equal(Rpn + Box + Mask, Of(new MaskRcnnOptions()));
        Assert.Equal(Rpn + 3 * (Box - 328_000 + 4_100), Of(new CascadeRcnnOptions(BoxHead: CascadeBoxHead.Linears)));
        Assert.Equal(Rpn + 3 * (Convolutions + Mask), Of(new CascadeMaskRcnnOptions()));

        static long Of(DetectorOptions options) =>
            options
                .Create(SmallRcnns.Backbones["pvt_v2"](), 80)
                .NamedParameters()
                .Where(p =>
                    p.Name.StartsWith("rpn_head.", StringComparison.Ordinal) || p.Name.StartsWith("roi_head.", StringComparison.Ordinal)
                )
                .Sum(p => p.Parameter.Elements);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Another_number_of_classes_gets_fresh_answers_that_a_file_of_the_old_ones_leaves_alone(string name)
    {
        using var scope = Torch.Scope();
        var (before, model) = (Create(name), Create(name));
        model.ResetClassifier(5);
        Assert.Equal(5, model.Classes);
        model.Losses(SmallRcnns.Batch(1).Images, SmallRcnns.Batch(1).Targets);
        using var folder = new TempFolder();
        Checkpoint.SaveSafetensors(folder["a.safetensors"], before.StateDict().ToCheckpoint());
        Assert.Throws<StateDictException>(() => model.Load(folder["a.safetensors"]));
        var report = model.Load(folder["a.safetensors"], new() { ReplaceHead = true });
        Assert.Equal(model.ClassifierNames, report.ReplacedHead);
        Assert.Contains("that of the weights is for 3 classes, the model's for 5", Assert.Single(report.Notes), StringComparison.Ordinal);
        foreach (var (key, value) in before.StateDict().Where(entry => !model.ClassifierNames.Contains(entry.Key)))
            Near.Identical(value, model.StateDict()[key]);
    }

    [Fact]
    public void Weights_with_masks_load_into_a_detector_without_and_this_is_said()
    {
        using var scope = Torch.Scope();
        var (source, model) = (Create("mask_rcnn"), Create("faster_rcnn"));
        var report = model.Load(source.StateDict(), new());
        Assert.Contains("head for masks is left out", Assert.Single(report.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Both_of_torchvisions_names_load_and_background_comes_last(bool old)
    {
        using var scope = Torch.Scope();
        var options = (MaskRcnnOptions)SmallRcnns.All["mask_rcnn"] with { Style = DetectorStyle.Torchvision };
        var source = options.Create(SmallRcnns.Backbones["resnet"](), DrawnShapes.Classes);
        var state = Theirs(source.StateDict(), old);
        Assert.Equal(new Shape(4 * (DrawnShapes.Classes + 1)), state["roi_heads.box_predictor.bbox_pred.bias"].Shape);
        var model = options.Create(SmallRcnns.Backbones["resnet"](), DrawnShapes.Classes);
        var report = model.Load(state, new());
        Assert.Contains("torchvision", Assert.Single(report.Notes), StringComparison.Ordinal);
        foreach (var (key, value) in source.StateDict())
            Near.Identical(value, model.StateDict()[key]);
        // In a model with other constants, their weights give other boxes: that is said.
        var other = Create("mask_rcnn", "resnet").Load(Theirs(source.StateDict(), old), new());
        Assert.Contains("style torchvision", other.Notes[^1], StringComparison.Ordinal);
    }

    private static OrderedDictionary<string, Tensor> Theirs(OrderedDictionary<string, Tensor> ours, bool old)
    {
        var theirs = new OrderedDictionary<string, Tensor>();
        foreach (var (name, value) in ours)
        {
            if (name.EndsWith("num_batches_tracked", StringComparison.Ordinal))
                continue;
            string[] parts = name.Split('.');
            var rest = parts[^1];
            var (key, tensor) = parts switch
            {
                ["backbone", ..] => ("backbone.body." + name["backbone.".Length..], value),
                ["neck", var kind, var i, ..] => (
                    $"backbone.fpn.{(kind == "lateral_convs" ? "inner" : "layer")}_blocks.{i}{(old ? "" : ".0")}.{rest}",
                    value
                ),
                [_, "rpn_conv", _] => ($"rpn.head.conv{(old ? "" : ".0.0")}.{rest}", value),
                [_, "rpn_cls", _] => ($"rpn.head.cls_logits.{rest}", value),
                [_, "rpn_reg", _] => ($"rpn.head.bbox_pred.{rest}", value),
                [_, _, "shared_fcs", var i, _] => ($"roi_heads.box_head.fc{(i == "0" ? 6 : 7)}.{rest}", value),
                [_, _, "fc_cls", _] => ($"roi_heads.box_predictor.cls_score.{rest}", Torch.Cat([value[^1..], value[..^1]])),
                [_, _, "fc_reg", _] => ($"roi_heads.box_predictor.bbox_pred.{rest}", Torch.Cat([value[..4], value])),
                [_, _, "convs", var i, ..] => (
                    old
                        ? $"roi_heads.mask_head.mask_fcn{int.Parse(i, CultureInfo.InvariantCulture) + 1}.{rest}"
                        : $"roi_heads.mask_head.{i}.0.{rest}",
                    value
                ),
                [_, _, "upsample", _] => ($"roi_heads.mask_predictor.conv5_mask.{rest}", value),
                _ => ($"roi_heads.mask_predictor.mask_fcn_logits.{rest}", Torch.Cat([value[..1], value])),
            };
            theirs[key] = tensor;
        }
        return theirs;
    }

    [Fact]
    public void Masks_that_are_to_be_learned_must_be_there()
    {
        using var scope = Torch.Scope();
        var (images, targets) = SmallRcnns.Batch(1);
        var refusal = Assert.Throws<ArgumentException>(() => Create("mask_rcnn").Losses(images, [targets[0] with { Masks = null }]));
        Assert.Contains("masks", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_that_the_model_does_not_have_is_refused()
    {
        using var scope = Torch.Scope();
        var (images, targets) = SmallRcnns.Batch(1);
        var refusal = Assert.Throws<ArgumentException>(() =>
            Create("faster_rcnn").Losses(images, [targets[0] with { Classes = targets[0].Classes + 3 }])
        );
        Assert.Contains("classes must be 0 to 2", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_out_of_range_are_refused_by_name()
    {
        using var scope = Torch.Scope();
        var backbone = SmallRcnns.Backbones["pvt_v2"]();
        Refuses("Width must be 1 to 65536, not 0", () => new MaskRcnnOptions(0).Create(backbone, 2));
        Refuses("Sampled must be 1", () => new FasterRcnnOptions(8, 8, new(Sampled: 0)).Create(backbone, 2));
        Refuses("Overlap must be 0 to 1, not 2", () => new CascadeRcnnOptions(8, 8, Rois: new(Overlap: 2)).Create(backbone, 2));
        Refuses("ratios must be", () => new RpnOptions(Ratios: []));
        Refuses("deviations must be four numbers", () => new CascadeStage(0.5, [1]));
        Refuses("stages must be at least 1", () => new CascadeRcnnOptions(8, 8, Stages: []).Create(backbone, 2));

        static void Refuses(string message, Func<object> act) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(act).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Regions_keep_their_order_whatever_level_shows_them()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        Tensor[] maps = [.. Enumerable.Range(0, 3).Select(level => Torch.Randn([1, 2, 64 >> level, 64 >> level]))];
        var rois = Tensor.From<float>([0, 10, 10, 250, 250, 0, 5, 5, 25, 30, 0, 40, 20, 180, 160, 0, 1, 1, 20, 20], 4, 5);
        var features = new RoiExtractor([4, 8, 16], 3).Apply(maps, rois);
        int[] levels = [2, 0, 1, 0];
        for (var i = 0; i < levels.Length; i++)
            Near.Equal(new RoiAlign(3, 3, 0.25 / (1 << levels[i])).Apply(maps[levels[i]], rois[i..(i + 1)]), features[i..(i + 1)]);
        Assert.Equal(new Shape(0, 2, 3, 3), new RoiExtractor([4, 8, 16], 3).Apply(maps, rois[..0]).Shape);
        Assert.Throws<ShapeException>(() => new RoiExtractor([4, 8], 3).Apply(maps, rois));
    }

    [Fact]
    public void Of_boxes_of_one_class_that_cover_each_other_the_likeliest_is_given_out()
    {
        using var scope = Torch.Scope();
        var boxes = Tensor.From<float>([0, 0, 10, 10, 0, 0, 10, 9, 20, 20, 30, 30], 3, 4);
        var scores = Tensor.From<float>([0.5f, 0.3f, 0.6f, 0.1f, 0.05f, 0.05f], 3, 2);
        var (kept, likely, classes) = new MulticlassNms(0.05, 0.5, 10).Choose(boxes, scores);
        // Scores of exactly the threshold do not count, and classes do not see each other.
        Near.Values(likely, 1e-6, 0.6, 0.3);
        Near.Values(classes, 0, 0, 1);
        Near.Values(kept, 0, 0, 0, 10, 9, 0, 0, 10, 10);
        Assert.Equal(1, new MulticlassNms(0.05, 0.5, 1).Choose(boxes, scores).Boxes.Size(0));
        Assert.Equal(0, new MulticlassNms(0.9, 0.5, 1).Choose(boxes, scores).Boxes.Size(0));
        Assert.Throws<ShapeException>(() => new MulticlassNms(0.1, 0.5, 1).Choose(boxes, scores[..1]));
    }
}
