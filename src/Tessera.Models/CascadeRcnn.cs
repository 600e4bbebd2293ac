using System.ComponentModel.DataAnnotations;
using Tessera.Models.Detection;

namespace Tessera.Models;

/// <summary>The published heads that see the regions of a cascade.</summary>
public enum CascadeBoxHead
{
    /// <summary>
    /// Four convolutions with batch norm and a linear map; a box for each class, which learns by its generalized IoU. With Swin, CSWin and
    /// their followers.
    /// </summary>
    Convolutions,

    /// <summary>Two linear maps; one box whatever the class, which learns by its differences. The paper's.</summary>
    Linears,
}

/// <summary>Cascade R-CNN over any backbone.</summary>
/// <param name="Width">Channels of the pyramid and of all convolutions after it.</param>
/// <param name="FcWidth">Of the linear maps that see a region.</param>
/// <param name="BoxHead">Which of the published heads.</param>
/// <param name="Stages">From the first to the last; null for the published three of overlaps 0.5, 0.6 and 0.7.</param>
/// <param name="Rpn">The network of proposals; null for the published one.</param>
/// <param name="Rois">What learns of the proposals and what is given out; null for the published numbers.</param>
public sealed record CascadeRcnnOptions(
    [Range(1, 65536)] int Width = 256,
    [Range(1, 65536)] int FcWidth = 1024,
    CascadeBoxHead BoxHead = CascadeBoxHead.Convolutions,
    IReadOnlyList<CascadeStage>? Stages = null,
    RpnOptions? Rpn = null,
    RoiOptions? Rois = null
) : DetectorOptions
{
    /// <inheritdoc/>
    public override Detector Create(Backbone backbone, int classes) => new CascadeRcnn(backbone, this, classes);
}

/// <summary>Cascade Mask R-CNN over any backbone.</summary>
/// <param name="Width">Channels of the pyramid and of all convolutions after it.</param>
/// <param name="FcWidth">Of the linear maps that see a region.</param>
/// <param name="BoxHead">Which of the published heads.</param>
/// <param name="MaskConvolutions">Number of convolutions before the masks of each stage.</param>
/// <param name="Stages">From the first to the last; null for the published three of overlaps 0.5, 0.6 and 0.7.</param>
/// <param name="Rpn">The network of proposals; null for the published one.</param>
/// <param name="Rois">What learns of the proposals and what is given out; null for the published numbers.</param>
public sealed record CascadeMaskRcnnOptions(
    [Range(1, 65536)] int Width = 256,
    [Range(1, 65536)] int FcWidth = 1024,
    CascadeBoxHead BoxHead = CascadeBoxHead.Convolutions,
    [Range(0, 64)] int MaskConvolutions = 4,
    IReadOnlyList<CascadeStage>? Stages = null,
    RpnOptions? Rpn = null,
    RoiOptions? Rois = null
) : DetectorOptions
{
    /// <inheritdoc/>
    public override Detector Create(Backbone backbone, int classes) => new CascadeRcnn(backbone, this, classes);
}

/// <summary>
/// Cascade R-CNN, with masks or without: heads in a row, each of which starts from the boxes of the one before and learns from those that
/// overlap an object more. Cai and Vasconcelos, 2018, arXiv:1712.00726, and 2019, arXiv:1906.09756. Names of the weights are those of
/// mmdetection.
/// </summary>
public sealed class CascadeRcnn : TwoStageDetector
{
    private static readonly IReadOnlyList<CascadeStage> published =
    [
        new(0.5, BoxCoder.SecondStage),
        new(0.6, [0.05, 0.05, 0.1, 0.1], 0.5),
        new(0.7, [0.033, 0.033, 0.067, 0.067], 0.25),
    ];

    /// <summary>A detector with fresh heads.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the heads.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CascadeRcnn(Backbone backbone, CascadeRcnnOptions options, int classes)
        : base(backbone, OptionRanges.Checked(options).Width, Proposing(options.Rpn), DetectorStyle.Mmdetection, strides => new RoiHead(
            Plan(strides, options.Width, options.FcWidth, options.BoxHead, options.Stages, options.Rois, null, classes)
        )) { }

    /// <summary>A detector of masks with fresh heads.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the heads.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CascadeRcnn(Backbone backbone, CascadeMaskRcnnOptions options, int classes)
        : base(backbone, OptionRanges.Checked(options).Width, Proposing(options.Rpn), DetectorStyle.Mmdetection, strides => new RoiHead(
            Plan(strides, options.Width, options.FcWidth, options.BoxHead, options.Stages, options.Rois, options.MaskConvolutions, classes)
        )) { }

    /// <summary>The published network of proposals, where options do not say otherwise.</summary>
    internal static RpnOptions Proposing(RpnOptions? options)
    {
        options ??= new();
        return options with
        {
            InsideOnly = options.InsideOnly ?? true,
            Beta = options.Beta ?? 1.0 / 9,
            TrainingProposals = options.TrainingProposals ?? 2000,
        };
    }

    /// <summary>The second half over levels of some strides.</summary>
    internal static RoiHead.Config Plan(
        IReadOnlyList<double> strides,
        int width,
        int fcWidth,
        CascadeBoxHead head,
        IReadOnlyList<CascadeStage>? stages,
        RoiOptions? rois,
        int? maskConvolutions,
        int classes
    )
    {
        var linears = head == CascadeBoxHead.Linears;
        return new(
            width,
            strides,
            classes,
            fcWidth,
            OptionRanges.Checked(rois ?? new()),
            stages is { Count: 0 } ? throw new ArgumentException("stages must be at least 1") : stages ?? published,
            Numbered: true,
            Convolutions: linears ? 0 : 4,
            Linears: linears ? 2 : 1,
            Agnostic: linears,
            ByIou: !linears,
            Beta: 1,
            MaskConvolutions: maskConvolutions
        );
    }

    private protected override string StagePrefix(int stage) => $"s{stage}.";
}
