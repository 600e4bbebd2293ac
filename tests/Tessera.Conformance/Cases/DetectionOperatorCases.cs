using Tessera.Models.Detection;

namespace Tessera.Conformance.Cases;

[Case("detection.roi-align")]
internal sealed class RegionAlignment : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (height, width) = c.Size("output_size");
        var scale = c.Double("spatial_scale");
        var (x, rois) = (run.Input("x"), run.Input("rois"));
        foreach (var (name, mode) in c.Object("cases").Parts)
        {
            var align = new RoiAlign(height, width, scale, mode.Int("sampling_ratio"), mode.Bool("aligned"));
            var output = run.Output($"out.{name}", align.Apply(x, rois));
            if (run.File.Gradients.ContainsKey(name))
                run.Differentiate((output * GoldenRun.Cotangent($"out.{name}", output)).Sum(), [(name, "x")]);
        }
    }
}

[Case("detection.nms")]
internal sealed class NonMaximumSuppression : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var iou = run.Config.Double("iou_threshold");
        var (boxes, scores) = (run.Input("boxes"), run.Input("scores"));
        run.Output("keep", Nms.Keep(boxes, scores, iou));
        run.Output("keep_batched", Nms.Keep(boxes, scores, iou, run.Input("labels")));
    }
}

[Case("detection.roi-levels")]
internal sealed class RegionLevels : GoldenCase
{
    public override void Run(GoldenRun run) =>
        run.Output("levels", RoiLevels.Of(run.Input("rois"), run.Config.Int("num_levels"), run.Config.Double("finest_scale")));
}

[Case("detection.mask-targets")]
internal sealed class MaskTargetsAndLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (masks, labels) = (run.Input("masks"), run.Input("labels"));
        c.Expect("height", masks.Size(1));
        c.Expect("width", masks.Size(2));
        var targets = MaskTargets.Of(masks.To(DType.UInt8), run.Input("boxes"), run.Input("assigned"), c.Int("mask_size"));
        run.Output("targets", targets);
        run.Output("loss_mask", MaskTargets.Loss(run.Input("mask_logits"), targets, labels).Reshape(1));
    }
}

[Case("detection.mask-paste")]
internal sealed class MaskPasting : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (height, width) = run.Config.Size("image_size");
        var (masks, boxes) = (run.Input("logits").Sigmoid().Squeeze(1), run.Input("boxes"));
        run.Output("probabilities", MaskPaste.Probabilities(masks, boxes, height, width));
        var runs = MaskPaste.Runs(masks, boxes, height, width, run.Config.Double("threshold"));
        run.Output("area", runs.Select(lengths => (double)lengths.Where((_, i) => i % 2 == 1).Sum()));
    }
}
