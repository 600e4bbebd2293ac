using Tessera.Models;
using Tessera.Models.Detection;

namespace Tessera.Conformance.Cases;

[Case("retinanet.network")]
internal sealed class RetinaNetNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (inputs, width, outputs) = (c.Ints("in_channels"), c.Int("fpn_channels"), c.Int("num_outs"));
        var options = new RetinaNetOptions(
            width,
            c.Int("stacked_convs"),
            Positive: c.Double("pos_iou_thr"),
            Negative: c.Double("neg_iou_thr"),
            LeastPositive: c.Double("min_pos_iou"),
            Candidates: c.Int("nms_pre"),
            Score: c.Double("score_thr"),
            Overlap: c.Double("nms_iou"),
            Detections: c.Int("max_per_img")
        );
        var start = c.Int("start_level");
        var neck = new Fpn(new(inputs, width, outputs, start, FpnNeck.Extra(c)));
        double[] strides = [.. Enumerable.Range(start, outputs).Select(level => 4.0 * (1 << level))];
        var head = new RetinaHead(options, strides, c.Int("num_classes"));
        run.Load(new Joined(neck, head));
        var image = c.Size("image_size");
        var sizes = Sizes(c, "image_shapes");
        var dense = head.Call(neck.Call([.. Enumerable.Range(0, inputs.Length).Select(i => run.Input($"x{i}"))]));
        for (var level = 0; level < outputs; level++)
        {
            run.Output($"cls.{level}", dense.Scores[level]);
            run.Output($"reg.{level}", dense.Differences[level]);
        }
        DetectorTargets[] targets =
        [
            .. sizes.Select((size, i) => new DetectorTargets(size, run.Input($"gt_boxes.{i}"), run.Input($"gt_labels.{i}"))),
        ];
        var (scores, boxes) = head.Losses(dense, image, targets);
        for (var level = 0; level < outputs; level++)
        {
            run.Output($"loss_cls.{level}", scores[level]);
            run.Output($"loss_bbox.{level}", boxes[level]);
        }
        if (run.File.Gradients.Count > 0)
            run.Differentiate(scores.Concat(boxes).Aggregate((sum, next) => sum + next));
        foreach (var (i, found) in head.Detect(dense, image, sizes).Index())
        {
            run.Output($"det.{i}", Torch.Cat([found.Boxes, found.Scores.Unsqueeze(1)], 1));
            run.Output($"label.{i}", found.Classes);
        }
    }

    internal static (int Height, int Width)[] Sizes(Config c, string key) =>
        [.. c[key].EnumerateArray().Select(size => (size[0].GetInt32(), size[1].GetInt32()))];

    private sealed class Joined(Fpn neck, RetinaHead head) : Module
    {
        protected override void ListMembers(Members members)
        {
            members.Add("neck", neck);
            members.Add("bbox_head", head);
        }
    }
}

[Case("retinanet.torchvision")]
internal sealed class RetinaNetOfTorchvision : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        double[] ratios = [0.5, 1, 2];
        double[][] sides =
        [
            .. c["anchor_sizes"].EnumerateArray().Select(level => level.EnumerateArray().Select(x => x.GetDouble()).ToArray()),
        ];
        var options = new RetinaNetOptions(
            c.Int("feature_channels"),
            run.File.Parameters.Count(rule => rule.Name.StartsWith("head.classification_head.conv.", StringComparison.Ordinal)) / 2,
            DetectorStyle.Torchvision,
            Candidates: c.Int("topk_candidates"),
            Score: c.Double("score_thresh"),
            Overlap: c.Double("nms_thresh"),
            Detections: c.Int("detections_per_img")
        );
        var anchors = AnchorGrid.Rounded(sides, [.. sides.Select(_ => ratios)]);
        var classes = c.Int("num_classes");
        var head = new RetinaHead(options, c.Doubles("strides"), classes, anchors);
        if (run.File.ParameterCount is { } count && count != head.ParameterCount)
            run.Fail($"{head.ParameterCount} parameters, {count} in the file");
        var state = new OrderedDictionary<string, Tensor>(
            run.File.Parameters.Select(rule => KeyValuePair.Create(rule.Name, run.Parameter(rule.Name)))
        );
        TorchvisionRetinaNames.Convert(state, head.StateDict(), 0);
        head.To(run.Device, run.Real);
        head.LoadStateDict(
            new OrderedDictionary<string, Tensor>(
                state.Select(entry => KeyValuePair.Create(entry.Key["bbox_head.".Length..], entry.Value.Detach()))
            )
        );
        head.Train(run.Training);
        var (image, sizes) = (c.Size("image_size"), RetinaNetNetwork.Sizes(c, "image_sizes"));
        var dense = head.Call([.. Enumerable.Range(0, sides.Length).Select(i => run.Input($"f{i}"))]);
        run.Output("cls_logits", Torch.Cat([.. dense.Scores.Select(map => DenseOutputs.Flat(map, classes))], 1));
        run.Output("bbox_regression", Torch.Cat([.. dense.Differences.Select(map => DenseOutputs.Flat(map, 4))], 1));
        foreach (var (i, found) in head.Detect(dense, image, sizes).Index())
        {
            run.Output($"boxes.{i}", found.Boxes);
            run.Output($"scores.{i}", found.Scores);
            run.Output($"labels.{i}", found.Classes);
        }
    }
}
