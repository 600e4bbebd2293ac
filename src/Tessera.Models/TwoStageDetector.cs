using Tessera.Models.Detection;

namespace Tessera.Models;

/// <summary>
/// A detector of two halves: a network that proposes boxes, and heads that look at each of them. The pyramid's coarsest level is for the
/// proposals alone. Lin et al., "Feature Pyramid Networks for Object Detection", 2017, arXiv:1612.03144.
/// </summary>
public abstract partial class TwoStageDetector : Detector
{
    // Levels of the second half, and one more for the first.
    private const int Levels = 4;

    private readonly DetectorStyle style;
    private readonly Fpn neck;
    private readonly RpnHead rpnHead;
    private readonly RoiHead roiHead;

    /// <summary>A detector over a backbone.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="width">Channels of the pyramid and of all convolutions after it.</param>
    /// <param name="rpn">The first half.</param>
    /// <param name="style">Whose constants.</param>
    /// <param name="roiHead">The second half, from the strides of its levels.</param>
    private protected TwoStageDetector(
        Backbone backbone,
        int width,
        RpnOptions rpn,
        DetectorStyle style,
        Func<IReadOnlyList<double>, RoiHead> roiHead
    )
        : base(backbone)
    {
        this.style = style;
        neck = new Fpn(new(MapChannels, width, Levels + 1));
        double[] strides = [.. MapStrides, 2 * MapStrides[^1]];
        rpnHead = new RpnHead(new(width, strides, Anchors(strides, OptionRanges.Checked(rpn), style), rpn, style));
        this.roiHead = roiHead(MapStrides);
    }

    private static AnchorGrid Anchors(IReadOnlyList<double> strides, RpnOptions options, DetectorStyle style)
    {
        var (scales, ratios) = (options.Scales ?? [8], options.Ratios ?? [0.5, 1, 2]);
        return style == DetectorStyle.Mmdetection
            ? AnchorGrid.Of(strides, scales, ratios)
            : AnchorGrid.Rounded(
                [.. strides.Select(stride => (IReadOnlyList<double>)[.. scales.Select(scale => scale * stride)])],
                [.. strides.Select(_ => ratios)]
            );
    }

    /// <inheritdoc/>
    public override int Classes => roiHead.Classes;

    /// <inheritdoc/>
    public override bool HasMasks => roiHead.HasMasks;

    /// <inheritdoc/>
    protected override int ScoresPerAnchor => 1;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> ClassifierPaths => [.. roiHead.ClassifierPaths.Select(path => $"roi_head.{path}")];

    // Background is a class of its own there, and a box has four numbers.
    internal override long ClassesOf(string name, Tensor tensor) =>
        name.Contains(".fc_cls.", StringComparison.Ordinal) ? tensor.Size(0) - 1
        : name.Contains(".fc_reg.", StringComparison.Ordinal) ? tensor.Size(0) / 4
        : tensor.Size(0);

    /// <inheritdoc/>
    public override void ResetClassifier(int classes) => roiHead.ResetClassifier(classes);

    /// <inheritdoc/>
    protected override DenseOutputs ForwardDense(IReadOnlyList<Tensor> maps)
    {
        var levels = neck.Call(maps);
        var (scores, differences) = rpnHead.Call(levels);
        return new(scores, differences, [.. levels.Take(Levels)]);
    }

    /// <inheritdoc/>
    protected override OrderedDictionary<string, Tensor> ForwardLosses(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<DetectorTargets> targets
    )
    {
        var (scores, boxes) = rpnHead.Losses(dense, image, targets);
        var proposals = rpnHead.Propose(dense, image, [.. targets.Select(target => target.Size)], learning: true);
        OrderedDictionary<string, Tensor> losses = new() { ["loss_rpn_cls"] = Sum(scores), ["loss_rpn_bbox"] = Sum(boxes) };
        foreach (var (stage, loss) in roiHead.Losses(dense.Levels, [.. proposals.Select(own => own.Boxes)], targets).Index())
        {
            var prefix = StagePrefix(stage);
            losses[$"{prefix}loss_cls"] = loss.Class;
            losses[$"{prefix}loss_bbox"] = loss.Box;
            if (loss.Mask is not null)
                losses[$"{prefix}loss_mask"] = loss.Mask;
        }
        return losses;
    }

    private static Tensor Sum(IReadOnlyList<Tensor> losses) => losses.Aggregate((sum, next) => sum + next);

    /// <summary>What the names of a stage's losses begin with.</summary>
    private protected abstract string StagePrefix(int stage);

    /// <inheritdoc/>
    protected override IReadOnlyList<Detections> ForwardDetections(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<(int Height, int Width)> sizes
    ) => roiHead.Detect(dense.Levels, [.. rpnHead.Propose(dense, image, sizes, learning: false).Select(own => own.Boxes)], sizes);

    /// <inheritdoc/>
    protected override IReadOnlyList<string> AdaptStateDict(OrderedDictionary<string, Tensor> state)
    {
        var own = StateDict();
        List<string> notes = [];
        if (TorchvisionRcnnNames.Convert(state))
        {
            notes.Add("the names are those of torchvision, and were brought to mmdetection's");
            if (style != DetectorStyle.Torchvision)
                notes.Add("the weights are torchvision's and the model's constants mmdetection's: style torchvision has theirs");
            // Its frozen norms count no batches.
            foreach (var (name, value) in own)
                if (name.EndsWith(".num_batches_tracked", StringComparison.Ordinal))
                    state.TryAdd(name, value);
        }
        notes.AddRange(base.AdaptStateDict(state));
        notes.AddRange(LeaveOut(state, own, "roi_head.mask_head.", "the head for masks is left out: the model has none"));
        return notes;
    }
}
