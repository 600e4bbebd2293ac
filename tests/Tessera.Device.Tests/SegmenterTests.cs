using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Tests.Devices;

/// <summary>Segmenters, their losses, windows and measure on the device: the same numbers as on the processor.</summary>
public sealed class SegmenterTests : LiveTensors
{
    private const int Classes = 3;

    public static TheoryData<string> Heads => [.. SmallHeads.All.Keys];

    [DeviceTheory]
    [MemberData(nameof(Heads))]
    public void Scores_and_gradients_are_those_of_the_processor(string head)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = SmallHeads.All[head].Create(new Vit(new((32, 32), 16, 24, 3, 3, Classes: 0, DynamicImageSize: true)), Classes);
        var images = Torch.Randn([2, 3, 37, 45]);
        var labels = Torch.Randint(0, Classes, [2, 37, 45]).MaskedFill(Torch.Uniform([2, 37, 45], 0, 1).Lt(0.3), 255);
        model.Eval();
        var (scores, gradients) = Compute(model, images, labels);
        model.To(Device.Cuda);
        var (found, ours) = Compute(model, images.To(Device.Cuda), labels.To(Device.Cuda));
        Near.Equal(scores, found, 1e-4);
        foreach (var (theirs, mine) in gradients.Zip(ours))
            Assert.True(Math.Abs(theirs - mine) <= 1e-3 * theirs + 1e-5, $"a gradient of {mine}, {theirs} on the processor");
    }

    private static (Tensor Scores, double[] Gradients) Compute(Segmenter model, Tensor images, Tensor labels)
    {
        model.ZeroGrad();
        var scores = model.Call(images);
        var weights = Torch.Ones(Classes, device: images.Device);
        var loss =
            SegmentationLosses.CrossEntropy(scores, labels, weights).Mean()
            + SegmentationLosses.HardPixels(scores, labels, atLeast: 5).Mean()
            + SegmentationLosses.Dice(scores, labels)
            + SegmentationLosses.Lovasz(scores, labels);
        loss.Backward();
        return (
            scores.Detach(),
            [.. model.Parameters().Where(p => p.Grad is not null).Select(p => p.Grad!.To(DType.Float64).Norm().ToDouble())]
        );
    }

    [DeviceFact]
    public void Windows_and_counts_are_those_of_the_processor()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (image, sliding) = (Torch.Randn([1, 3, 20, 30]), new SlidingWindow((8, 12), (5, 7)));
        var weight = Torch.Randn([Classes, 3, 3, 3]);
        Tensor Scores(Tensor image, Tensor weight) => sliding.Scores(image, window => Torch.Conv2d(window, weight, null, padding: 1));
        var (here, there) = (Scores(image, weight), Scores(image.To(Device.Cuda), weight.To(Device.Cuda)));
        Near.Equal(here, there, 1e-5);
        var labels = Torch.Randint(0, Classes, [1, 20, 30]);
        var (first, second) = (new PixelConfusion(Classes), new PixelConfusion(Classes));
        first.Add(here.Argmax(1), labels);
        second.Add(there.Argmax(1), labels.To(Device.Cuda));
        Assert.Equal(first.Measure().Confusion, second.Measure().Confusion);
    }
}
