using System.ComponentModel.DataAnnotations;
using Tessera.Models.Detection;

namespace Tessera.Models;

/// <summary>Faster R-CNN over any backbone.</summary>
/// <param name="Width">Channels of the pyramid and of all convolutions after it.</param>
/// <param name="FcWidth">Of the two linear maps that see a region.</param>
/// <param name="Rpn">The network of proposals; null for the published one.</param>
/// <param name="Rois">What learns of the proposals and what is given out; null for the published numbers.</param>
/// <param name="Style">Whose constants: published weights go with those that they were trained with.</param>
public sealed record FasterRcnnOptions(
    [Range(1, 65536)] int Width = 256,
    [Range(1, 65536)] int FcWidth = 1024,
    RpnOptions? Rpn = null,
    RoiOptions? Rois = null,
    DetectorStyle Style = DetectorStyle.Mmdetection
) : DetectorOptions
{
    /// <inheritdoc/>
    public override Detector Create(Backbone backbone, int classes) => new FasterRcnn(backbone, this, classes);
}

/// <summary>
/// Faster R-CNN with a feature pyramid: a network proposes boxes, and two linear maps over each say which class it shows and where its box
/// is. Ren et al., 2015, arXiv:1506.01497; Lin et al., 2017, arXiv:1612.03144. Names of the weights are those of mmdetection.
/// </summary>
public sealed class FasterRcnn : TwoStageDetector
{
    /// <summary>A detector with fresh heads.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the heads.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public FasterRcnn(Backbone backbone, FasterRcnnOptions options, int classes)
        : base(backbone, OptionRanges.Checked(options).Width, options.Rpn ?? new(), options.Style, strides =>
            Heads(strides, options, classes)
        ) { }

    // One stage, as Mask R-CNN has it too.
    internal static RoiHead.Config Plan(
        IReadOnlyList<double> strides,
        int width,
        int fcWidth,
        RoiOptions? rois,
        DetectorStyle style,
        int classes
    ) =>
        new(
            width,
            strides,
            classes,
            fcWidth,
            OptionRanges.Checked(rois ?? new()),
            [new(0.5, BoxCoder.SecondStage)],
            Beta: style == DetectorStyle.Torchvision ? 1.0 / 9 : 0,
            Style: style
        );

    private static RoiHead Heads(IReadOnlyList<double> strides, FasterRcnnOptions options, int classes) =>
        new(Plan(strides, options.Width, options.FcWidth, options.Rois, options.Style, classes));

    private protected override string StagePrefix(int stage) => "";
}
