using Tessera.Models;

namespace Tessera.Tests.Models;

/// <summary>A small detection head of each kind.</summary>
internal static class SmallDetectors
{
    /// <summary>Their options by name.</summary>
    public static IReadOnlyDictionary<string, DetectorOptions> All { get; } =
        new Dictionary<string, DetectorOptions>
        {
            ["retinanet"] = new RetinaNetOptions(16, 1),
            ["retinanet_torchvision"] = new RetinaNetOptions(16, 1, DetectorStyle.Torchvision),
            ["mask_rcnn"] = new MaskRcnnOptions(
                16,
                32,
                1,
                new(Scales: [4], Sampled: 64, TrainingProposals: 50, Proposals: 50),
                new(Sampled: 32, Detections: 20)
            ),
        };

    /// <summary>The objects of an image, whose masks are all of it.</summary>
    public static DetectorTargets Targets((int Height, int Width) size, params (float[] Box, long Class)[] objects) =>
        new(
            size,
            Tensor.From((float[])[.. objects.SelectMany(entry => entry.Box)]).Reshape(objects.Length, 4),
            Tensor.From((long[])[.. objects.Select(entry => entry.Class)]),
            Torch.Ones([objects.Length, size.Height, size.Width], DType.UInt8)
        );
}
