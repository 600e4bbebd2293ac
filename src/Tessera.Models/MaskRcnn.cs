using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>Mask R-CNN over any backbone.</summary>
/// <param name="Width">Channels of the pyramid and of all convolutions after it.</param>
/// <param name="FcWidth">Of the two linear maps that see a region.</param>
/// <param name="MaskConvolutions">Number of convolutions before the masks.</param>
/// <param name="Rpn">The network of proposals; null for the published one.</param>
/// <param name="Rois">What learns of the proposals and what is given out; null for the published numbers.</param>
/// <param name="Style">Whose constants: published weights go with those that they were trained with.</param>
public sealed record MaskRcnnOptions(
    [Range(1, 65536)] int Width = 256,
    [Range(1, 65536)] int FcWidth = 1024,
    [Range(0, 64)] int MaskConvolutions = 4,
    RpnOptions? Rpn = null,
    RoiOptions? Rois = null,
    DetectorStyle Style = DetectorStyle.Mmdetection
) : DetectorOptions
{
    /// <inheritdoc/>
    public override Detector Create(Backbone backbone, int classes) => new MaskRcnn(backbone, this, classes);
}

/// <summary>
/// Mask R-CNN: Faster R-CNN with a third answer, the mask of an object within its box. He et al., 2017, arXiv:1703.06870. Names of the
/// weights are those of mmdetection.
/// </summary>
public sealed class MaskRcnn : TwoStageDetector
{
    /// <summary>A detector with fresh heads.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the heads.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public MaskRcnn(Backbone backbone, MaskRcnnOptions options, int classes)
        : base(backbone, OptionRanges.Checked(options).Width, options.Rpn ?? new(), options.Style, strides =>
            Heads(strides, options, classes)
        ) { }

    private static RoiHead Heads(IReadOnlyList<double> strides, MaskRcnnOptions options, int classes) =>
        new(
            FasterRcnn.Plan(strides, options.Width, options.FcWidth, options.Rois, options.Style, classes) with
            {
                MaskConvolutions = options.MaskConvolutions,
                LowQuality = options.Style == DetectorStyle.Mmdetection,
            }
        );

    private protected override string StagePrefix(int stage) => "";
}
