using System.Globalization;
using System.Text.Json;
using Tessera.Models;
using Tessera.Models.Detection;

namespace Tessera.Conformance.Cases;

[Case("detection.multiclass-nms")]
internal sealed class MulticlassSuppression : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var scores = run.Input("logits").Softmax(1).Slice(1, 0, c.Int("num_classes"));
        var rule = new MulticlassNms(c.Double("score_thr"), c.Double("iou_threshold"), c.Int("max_per_img"));
        var (boxes, chosen, classes) = rule.Choose(run.Input("boxes"), scores);
        run.Output("detections", Torch.Cat([boxes, chosen.Unsqueeze(1)], 1));
        run.Output("labels", classes);
    }
}

/// <summary>Pyramid, proposals and heads over given maps: names of the weights are those of a whole detector.</summary>
[Case("mask-rcnn.network")]
[Case("cascade-mask-rcnn.network")]
internal sealed class RcnnNetwork : GoldenCase
{
    private const string Ellipses =
        "the filled ellipse inscribed in each box: pixel (x,y) is set when ((x+0.5-cx)/(w/2))^2+((y+0.5-cy)/(h/2))^2 <= 1";

    // Levels that the second half sees.
    private const int MostLevels = 4;

    // What the file's "all" draws.
    private const int Everything = int.MaxValue;

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (inputs, width, outputs) = (c.Ints("in_channels"), c.Int("fpn_channels"), c.Int("num_outs"));
        double[] strides = [.. Enumerable.Range(0, outputs).Select(level => 4.0 * (1 << level))];
        var levels = Math.Min(MostLevels, inputs.Length);
        if (!c.String("sampler").StartsWith("all", StringComparison.Ordinal))
            throw new GoldenMismatchException($"'sampler' is '{c.String("sampler")}', all was expected");
        var neck = new Fpn(new(inputs, width, outputs));
        var rpn = new RpnHead(new(width, strides, AnchorGrid.Of(strides, c.Doubles("anchor_scales"), c.Doubles("anchor_ratios")), Rpn(c)));
        var roi = new RoiHead(Heads(c, width, strides[..levels]));
        run.Load(new Joined(neck, rpn, roi));

        var (image, sizes) = (c.Size("image_size"), RetinaNetNetwork.Sizes(c, "image_shapes"));
        var pyramid = neck.Call([.. Enumerable.Range(0, inputs.Length).Select(i => run.Input($"x{i}"))]);
        var (scores, differences) = rpn.Call(pyramid);
        var dense = new DenseOutputs(scores, differences, [.. pyramid.Take(levels)]);
        for (var level = 0; level < outputs; level++)
        {
            run.Output($"rpn_cls.{level}", scores[level]);
            run.Output($"rpn_reg.{level}", differences[level]);
        }
        var proposals = rpn.Propose(dense, image, sizes, learning: true);
        foreach (var (i, own) in proposals.Index())
            run.Output($"proposals.{i}", Torch.Cat([own.Boxes, own.Scores.Unsqueeze(1)], 1));

        Losses(run, rpn, roi, dense, proposals, image, Targets(run, sizes, image, roi.HasMasks));

        Tensor[] looked = [.. rpn.Propose(dense, image, sizes, learning: false).Select(own => own.Boxes)];
        foreach (var (i, found) in roi.Detect(dense.Levels, looked, sizes).Index())
        {
            run.Output($"det.{i}", Torch.Cat([found.Boxes, found.Scores.Unsqueeze(1)], 1));
            run.Output($"label.{i}", found.Classes);
            if (found.Masks is not { } masks)
                continue;
            var (height, across) = sizes[i];
            run.Output($"mask_area.{i}", MaskPaste.Runs(masks, found.Boxes, height, across).Select(Area));
            run.Output($"mask_probabilities.{i}", masks);
            run.Output($"mask_logits.{i}", (masks / (1 - masks)).Log());
        }
    }

    // Set pixels of a mask in run lengths, which begin with those that are not.
    private static double Area(int[] runs) => runs.Where((_, i) => i % 2 == 1).Sum();

    private static RpnOptions Rpn(Config c) =>
        new(
            Sampled: Everything,
            PositiveShare: 1,
            InsideOnly: c.Int("rpn_allowed_border") switch
            {
                -1 => false,
                0 => true,
                var border => throw new GoldenMismatchException($"'rpn_allowed_border' is {border}, -1 or 0 was expected"),
            },
            Beta: Beta(c.String("rpn_loss")),
            TrainingCandidates: c.Int("nms_pre"),
            TrainingProposals: c.Int("rpn_max_per_img"),
            Candidates: c.Int("nms_pre"),
            Proposals: c.Int("rpn_max_per_img"),
            Overlap: c.Double("rpn_nms")
        );

    // "l1", or "smooth_l1 beta 1/9".
    private static double Beta(string loss)
    {
        const string Smooth = "smooth_l1 beta ";
        if (loss == "l1")
            return 0;
        if (!loss.StartsWith(Smooth, StringComparison.Ordinal))
            throw new GoldenMismatchException($"'rpn_loss' is '{loss}', l1 or smooth_l1 with its beta was expected");
        return loss[Smooth.Length..]
            .Split('/')
            .Select(part => double.Parse(part, CultureInfo.InvariantCulture))
            .Aggregate((number, next) => number / next);
    }

    private static RoiHead.Config Heads(Config c, int width, double[] strides)
    {
        var rois = new RoiOptions(Everything, 1, c.Double("score_thr"), c.Double("rcnn_nms"), c.Int("max_per_img"));
        var (classes, fc) = (c.Int("num_classes"), c.Int("fc_out_channels"));
        int? masks = c.Has("mask_convs") ? c.Int("mask_convs") : null;
        return c.String("cascade", "") switch
        {
            "" => FasterRcnn.Plan(strides, width, fc, rois, DetectorStyle.Mmdetection, classes) with
            {
                MaskConvolutions = masks,
                LowQuality = true,
            },
            "agnostic2fc" => CascadeRcnn.Plan(strides, width, fc, CascadeBoxHead.Linears, null, rois, masks, classes),
            "giou4conv" => CascadeRcnn.Plan(strides, width, fc, CascadeBoxHead.Convolutions, null, rois, masks, classes),
            var other => throw new GoldenMismatchException($"'cascade' is '{other}', agnostic2fc, giou4conv or null was expected"),
        };
    }

    private static DetectorTargets[] Targets(GoldenRun run, (int Height, int Width)[] sizes, (int Height, int Width) image, bool withMasks)
    {
        if (withMasks)
            run.Config.Expect("gt_masks", Ellipses);
        else
            run.Config.ExpectNone("gt_masks");
        return
        [
            .. sizes.Select(
                (size, i) =>
                {
                    var boxes = run.Input($"gt_boxes.{i}").Detach();
                    var masks = withMasks ? Drawn(run.Literal($"gt_boxes.{i}"), image).To(run.Device) : null;
                    return new DetectorTargets(size, boxes, run.Input($"gt_labels.{i}"), masks);
                }
            ),
        ];
    }

    private static Tensor Drawn(double[] boxes, (int Height, int Width) image)
    {
        var masks = new byte[boxes.Length / 4 * image.Height * image.Width];
        for (var (k, place) = (0, 0); k < boxes.Length; k += 4)
        {
            var (x, y) = ((boxes[k] + boxes[k + 2]) / 2, (boxes[k + 1] + boxes[k + 3]) / 2);
            var (width, height) = (boxes[k + 2] - boxes[k], boxes[k + 3] - boxes[k + 1]);
            for (var row = 0; row < image.Height; row++)
            for (var column = 0; column < image.Width; column++, place++)
            {
                var (across, down) = ((column + 0.5 - x) / (width / 2), (row + 0.5 - y) / (height / 2));
                masks[place] = (byte)(across * across + down * down <= 1 ? 1 : 0);
            }
        }
        return Tensor.From(masks, boxes.Length / 4, image.Height, image.Width);
    }

    private static void Losses(
        GoldenRun run,
        RpnHead rpn,
        RoiHead roi,
        DenseOutputs dense,
        IReadOnlyList<Proposals> proposals,
        (int Height, int Width) image,
        IReadOnlyList<DetectorTargets> targets
    )
    {
        var all = new List<Tensor>();
        var (scores, boxes) = rpn.Losses(dense, image, targets);
        for (var level = 0; level < scores.Count; level++)
        {
            all.Add(run.Output($"loss.loss_rpn_cls.{level}", scores[level]));
            all.Add(run.Output($"loss.loss_rpn_bbox.{level}", boxes[level]));
        }
        var stages = roi.Losses(dense.Levels, [.. proposals.Select(own => own.Boxes)], targets);
        foreach (var (k, stage) in stages.Index())
        {
            var prefix = stages.Count > 1 ? $"s{k}." : "";
            var right = stage.Logits.Argmax(1).Eq(stage.Labels).To(DType.Float64).Mean().ToDouble();
            run.Output($"acc.{prefix}acc", [100 * right]);
            all.Add(run.Output($"loss.{prefix}loss_cls", stage.Class));
            all.Add(run.Output($"loss.{prefix}loss_bbox", stage.Box));
            if (stage.Mask is { } mask)
                all.Add(run.Output($"loss.{prefix}loss_mask", mask.Reshape(1)));
        }
        if (run.File.Gradients.Count > 0)
            run.Differentiate(all.Aggregate((sum, next) => sum + next.Reshape()));
    }

    private sealed class Joined(Fpn neck, RpnHead rpn, RoiHead roi) : Module
    {
        protected override void ListMembers(Members members)
        {
            members.Add("neck", neck);
            members.Add("rpn_head", rpn);
            members.Add("roi_head", roi);
        }
    }
}

[Case("mask-rcnn.torchvision")]
internal sealed class RcnnOfTorchvision : GoldenCase
{
    private const string MaskConvolution = "roi_heads.mask_head.";

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("rpn_min_size", 1e-3);
        c.Expect("rpn_score_thresh", 0.0);
        c.Expect("sampling_ratio", 2);
        c.Expect("roi_aligned", false);
        var (width, classes, strides) = (c.Int("feature_channels"), c.Int("num_classes_with_background") - 1, c.Doubles("strides"));
        var ratios = c.Doubles("anchor_ratios");
        var anchors = AnchorGrid.Rounded([.. c["anchor_sizes"].EnumerateArray().Select(Sides)], [.. strides.Select(_ => ratios)]);
        var rpn = new RpnHead(
            new(
                width,
                strides,
                anchors,
                new(Candidates: c.Int("rpn_pre_nms_top_n"), Proposals: c.Int("rpn_post_nms_top_n"), Overlap: c.Double("rpn_nms")),
                DetectorStyle.Torchvision
            )
        );
        var rois = new RoiOptions(
            Score: c.Double("box_score_thresh"),
            Overlap: c.Double("box_nms"),
            Detections: c.Int("detections_per_img")
        );
        var fc = (int)run.File.Parameters.First(rule => rule.Name == "roi_heads.box_head.fc6.weight").Shape[0];
        var convolutions = run.File.Parameters.Count(rule => rule.Name.StartsWith(MaskConvolution, StringComparison.Ordinal)) / 2;
        // The coarsest level is for proposals alone.
        var roi = new RoiHead(
            FasterRcnn.Plan(strides[..^1], width, fc, rois, DetectorStyle.Torchvision, classes) with
            {
                MaskConvolutions = convolutions,
            }
        );
        var model = new Joined(rpn, roi);
        Load(run, model);

        var (image, sizes) = (c.Size("image_size"), RetinaNetNetwork.Sizes(c, "image_sizes"));
        Tensor[] maps = [.. strides.Select((_, i) => run.Input($"f{i}"))];
        var (scores, differences) = rpn.Call(maps);
        var dense = new DenseOutputs(scores, differences, maps[..^1]);
        Tensor[] proposals = [.. rpn.Propose(dense, image, sizes, learning: false).Select(own => own.Boxes)];
        foreach (var (i, found) in roi.Detect(dense.Levels, proposals, sizes).Index())
        {
            run.Output($"proposals.{i}", proposals[i]);
            run.Output($"boxes.{i}", found.Boxes);
            run.Output($"labels.{i}", found.Classes + 1);
            run.Output($"scores.{i}", found.Scores);
            run.Output($"masks.{i}", found.Masks!.Unsqueeze(1));
        }
    }

    // Sides of a level, one or several.
    private static IReadOnlyList<double> Sides(JsonElement level) =>
        level.ValueKind == JsonValueKind.Array ? [.. level.EnumerateArray().Select(side => side.GetDouble())] : [level.GetDouble()];

    // By the names and in the order of classes of the file, as checkpoints are read.
    private static void Load(GoldenRun run, Joined model)
    {
        var state = new OrderedDictionary<string, Tensor>(
            run.File.Parameters.Select(rule => KeyValuePair.Create(rule.Name, run.Parameter(rule.Name).Detach()))
        );
        if (state.Values.Sum(tensor => tensor.Elements) is var count && run.File.ParameterCount is { } stated && count != stated)
            run.Fail($"{count} parameters, {stated} in the file");
        TorchvisionRcnnNames.Convert(state);
        model.To(run.Device, run.Real);
        model.LoadStateDict(state);
        model.Train(run.Training);
    }

    private sealed class Joined(RpnHead rpn, RoiHead roi) : Module
    {
        protected override void ListMembers(Members members)
        {
            members.Add("rpn_head", rpn);
            members.Add("roi_head", roi);
        }
    }
}
