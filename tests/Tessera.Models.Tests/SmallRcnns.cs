using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>A small detector of each kind with two stages, and small backbones of four kinds.</summary>
internal static class SmallRcnns
{
    private static readonly RpnOptions rpn = new(
        Scales: [4],
        Sampled: 64,
        TrainingCandidates: 200,
        TrainingProposals: 60,
        Candidates: 100,
        Proposals: 40
    );

    private static readonly RoiOptions rois = new(Sampled: 32, Detections: 20);

    /// <summary>Their options by name.</summary>
    public static IReadOnlyDictionary<string, DetectorOptions> All { get; } =
        new Dictionary<string, DetectorOptions>
        {
            ["faster_rcnn"] = new FasterRcnnOptions(16, 32, rpn, rois),
            ["mask_rcnn"] = new MaskRcnnOptions(16, 32, 2, rpn, rois),
            ["cascade_rcnn"] = new CascadeRcnnOptions(16, 32, CascadeBoxHead.Linears, Rpn: rpn, Rois: rois),
            ["cascade_mask_rcnn"] = new CascadeMaskRcnnOptions(16, 32, CascadeBoxHead.Convolutions, 1, Rpn: rpn, Rois: rois),
        };

    /// <summary>Small backbones by name.</summary>
    public static IReadOnlyDictionary<string, Func<Backbone>> Backbones { get; } =
        new Dictionary<string, Func<Backbone>>
        {
            ["resnet"] = () => new ResNet(new((64, 64), [1, 1, 1, 1], false, 5)),
            ["swin"] = () => new Swin(new((64, 64), 8, [1, 1, 1, 1], [1, 1, 2, 2], 4, Classes: 5, Dense: true)),
            ["pvt_v2"] = () =>
                new PvtV2(new((64, 64), [8, 16, 24, 32], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 5)),
            ["vit"] = () => new Vit(new((64, 64), 16, 24, 4, 3, Classes: 5, DynamicImageSize: true)),
        };

    /// <summary>Pictures [B, 3, side, side] and their objects.</summary>
    public static (Tensor Images, DetectorTargets[] Targets) Batch(int count, int side = 64, int seed = 1)
    {
        DrawnShapes.Picture[] pictures = [.. Enumerable.Range(seed, count).Select(one => DrawnShapes.Draw(one, side))];
        return (
            Torch.Stack([.. pictures.Select(picture => (picture.Pixels.To(DType.Float32) - 128) / 64)]),
            [.. pictures.Select(picture => new DetectorTargets((side, side), picture.Boxes, picture.Kinds, picture.Masks))]
        );
    }
}
