using System.Globalization;
using Tessera.Models.Detection;

namespace Tessera.Conformance.Cases;

[Case("detection.box-iou")]
internal sealed class BoxOverlaps : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (a, b) = (run.Input("a"), run.Input("b"));
        var pairs = Math.Min(a.Size(0), b.Size(0));
        foreach (
            var (name, measure) in new (string, Func<Tensor, Tensor, Tensor>)[]
            {
                ("iou", Boxes.Iou),
                ("iof", Boxes.Iof),
                ("giou", (first, second) => Boxes.GIou(first, second)),
            }
        )
        {
            run.Output(name, measure(a.Unsqueeze(1), b.Unsqueeze(0)));
            run.Output($"{name}_aligned", measure(a.Slice(0, 0, pairs), b.Slice(0, 0, pairs)));
        }
    }
}

[Case("detection.box-coder")]
internal sealed class BoxCoding : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var coder = new BoxCoder(c.Doubles("target_stds"), Means: c.Doubles("target_means"), MostGrowth: 1 / c.Double("wh_ratio_clip"));
        var (proposals, image) = (run.Input("proposals"), c.Size("image_size"));
        var encoded = run.Output("encoded", coder.Encode(proposals, run.Input("targets")));
        run.Output("roundtrip", coder.Decode(proposals, encoded));
        run.Output("decoded", coder.Decode(proposals, run.Input("deltas")));
        run.Output("decoded_clipped", coder.Decode(proposals, run.Input("deltas"), image));
        run.Output("decoded_classes", coder.Decode(proposals, run.Input("deltas_classes"), image));
    }
}

[Case("detection.box-coder-torchvision")]
internal sealed class BoxCodingOfTorchvision : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var coder = new BoxCoder(
            [.. c.Doubles("weights").Select(weight => 1 / weight)],
            ClampsBelow: false,
            MostGrowth: Math.Exp(c.Double("bbox_xform_clip"))
        );
        run.Output("encoded", coder.Encode(run.Input("proposals"), run.Input("targets")));
        run.Output("decoded", coder.Decode(run.Input("proposals"), run.Input("deltas")));
    }
}

[Case("detection.assign")]
internal sealed class BoxAssignment : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (boxes, objects, labels) = (run.Input("boxes"), run.Input("gt"), run.Input("gt_labels").ToArray<long>());
        foreach (var (name, rule) in run.Config.Object("assigners").Parts)
        {
            var assigner = new BoxAssigner(
                rule.Double("pos_iou_thr"),
                rule.Double("neg_iou_thr"),
                rule.Double("min_pos_iou"),
                rule.Bool("match_low_quality")
            );
            var (assigned, overlaps) = assigner.Assign(boxes.To(Device.Cpu), objects.To(Device.Cpu));
            run.Output($"gt_inds.{name}", assigned.Select(number => (double)number));
            run.Output($"max_overlaps.{name}", overlaps);
            run.Output($"labels.{name}", assigned.Select(number => number > 0 ? labels[number - 1] : -1.0));
        }
    }
}

[Case("detection.anchors")]
internal sealed class Anchors : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var strides = c.Doubles("strides");
        var grid = AnchorGrid.Of(strides, Scales(c), c.Doubles("ratios"), c.Double("center_offset", 0));
        var padded = c.Size("pad_shape");
        var maps = c["feature_sizes"].EnumerateArray().Select(size => (size[0].GetInt32(), size[1].GetInt32())).ToArray();
        foreach (var (level, stride) in strides.Index())
        {
            var step = ((float)stride, (float)stride);
            run.Output($"base.{level}", grid.Bases(level));
            run.Output($"grid.{level}", grid.Grid(level, maps[level], step));
            run.Output($"valid.{level}", grid.Valid(maps[level], padded, step).Select(valid => valid ? 1.0 : 0));
        }
    }

    private static double[] Scales(Config c)
    {
        if (c.Has("scales"))
        {
            c.ExpectNone("octave_base_scale", "scales_per_octave");
            return c.Doubles("scales");
        }
        var (least, octave) = (c.Double("octave_base_scale"), c.Int("scales_per_octave"));
        return [.. Enumerable.Range(0, octave).Select(k => least * Math.Pow(2, k / (double)octave))];
    }
}

[Case("detection.anchors-torchvision")]
internal sealed class AnchorsOfTorchvision : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (height, width) = c.Size("image_size");
        var grid = AnchorGrid.Rounded(Lists(c, "sizes"), Lists(c, "aspect_ratios"));
        var all = new List<Tensor>();
        foreach (var (level, size) in Lists(c, "feature_sizes").Index())
        {
            var (rows, columns) = ((int)size[0], (int)size[1]);
            run.Output($"cell.{level}", grid.Bases(level));
            all.Add(grid.Grid(level, (rows, columns), (height / rows, width / columns)));
        }
        run.Output("all", Torch.Cat([.. all]));
    }

    private static double[][] Lists(Config c, string key) =>
        [.. c[key].EnumerateArray().Select(list => list.EnumerateArray().Select(value => value.GetDouble()).ToArray())];
}

[Case("detection.losses")]
internal sealed class LossesOfDetectors : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (labels, weights, count) = (run.Input("labels"), run.Input("weights").Detach(), c.Double("avg_factor"));
        var outputs = new Dictionary<string, Tensor>();
        var logits = run.Input("cls_logits");
        c.Expect("num_classes", logits.Size(1));
        var focal = new FocalLoss(c.Object("focal").Double("alpha"), c.Object("focal").Double("gamma"));
        run.Output("focal_elements", focal.Elements(logits, labels));
        outputs["focal_cls"] = focal.Sum(logits, labels, weights) / count;
        var (deltas, wanted) = (run.Input("deltas"), run.Input("delta_targets").Detach());
        foreach (var beta in c.Doubles("smooth_l1_betas"))
            outputs[string.Create(CultureInfo.InvariantCulture, $"smooth_l1_{beta:F4}")] = Sum(
                DetectionLosses.SmoothL1(deltas, wanted, beta).Sum(-1)
            );
        outputs["l1"] = Sum(DetectionLosses.SmoothL1(deltas, wanted, 0).Sum(-1));
        var generalized = run.Output(
            "giou_elements",
            DetectionLosses.GIou(run.Input("boxes"), run.Input("box_targets").Detach(), c.Double("giou_eps"))
        );
        outputs["giou"] = Sum(generalized) * c.Double("giou_weight");
        outputs["ce"] = Sum(run.Input("ce_logits").CrossEntropyLoss(labels, reduction: 0));
        var objectness = run.Input("obj_logits");
        var isObject = run.Input("obj_labels").Eq(0).To(objectness.DType).Unsqueeze(1);
        outputs["bce"] = Sum(objectness.BinaryCrossEntropyWithLogits(isObject, reduction: 0).Sum(-1));
        foreach (var (name, value) in outputs)
            run.Output(name, value);
        foreach (var record in run.File.Gradients.Keys)
        {
            var parts = record.Split(':');
            run.Differentiate(outputs[parts[0]], [(record, parts[1])]);
        }

        Tensor Sum(Tensor rows) => (rows * weights).Sum() / count;
    }
}
