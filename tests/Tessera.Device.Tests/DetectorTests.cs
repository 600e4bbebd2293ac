using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;

namespace Tessera.Tests.Devices;

/// <summary>Detectors, their losses and detections on the device: the same numbers as on the processor.</summary>
public sealed class DetectorTests : LiveTensors
{
    private const int Classes = 3;

    public static TheoryData<string> Heads => [.. SmallDetectors.All.Keys];

    [DeviceTheory]
    [MemberData(nameof(Heads))]
    public void Losses_gradients_and_objects_are_those_of_the_processor(string head)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = SmallDetectors.All[head].Create(new Vit(new((64, 64), 16, 24, 3, 3, Classes: 0, DynamicImageSize: true)), Classes);
        model.Eval();
        var images = Torch.Randn([2, 3, 70, 90]);
        var (losses, gradients, found) = Compute(model, images);
        model.To(Device.Cuda);
        var (ours, mine, objects) = Compute(model, images.To(Device.Cuda));
        Assert.Equal(losses, ours, (a, b) => Math.Abs(a - b) <= 1e-4 * Math.Max(1, a));
        foreach (var (there, here) in gradients.Zip(mine))
            Assert.True(Math.Abs(there - here) <= 1e-3 * there + 1e-5, $"a gradient of {here}, {there} on the processor");
        foreach (var (there, here) in found.Zip(objects))
        {
            Assert.Equal(there.Count, here.Count);
            Near.Equal(there.Scores, here.Scores, 1e-5);
        }
    }

    private static (double[] Losses, double[] Gradients, IReadOnlyList<Detections> Found) Compute(Detector model, Tensor images)
    {
        model.ZeroGrad();
        // Which boxes learn is drawn.
        Torch.Seed(2);
        var losses = model.Losses(
            images,
            [SmallDetectors.Targets((70, 90), ([3, 4, 40, 60], 0), ([20, 10, 88, 50], 2)), SmallDetectors.Targets((60, 80))]
        );
        losses.Values.Aggregate((a, b) => a + b).Backward();
        return (
            [.. losses.Values.Select(loss => loss.ToDouble())],
            [.. model.Parameters().Where(p => p.Grad is not null).Select(p => p.Grad!.To(DType.Float64).Norm().ToDouble())],
            model.Detect(images, [(70, 90), (60, 80)])
        );
    }
}
