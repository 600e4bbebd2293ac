using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The last convolution of a segmentation head: a linear map of each position to the classes.</summary>
internal static class PixelClassifier
{
    /// <summary>A classifier as heads start with it: normal 0.01, bias zero.</summary>
    internal static Conv2d Create(int channels, int classes)
    {
        var conv = new Conv2d(channels, classes, 1);
        Init.Normal(conv.Weight, 0.01);
        Init.Zeros(conv.Bias!);
        return conv;
    }

    /// <summary>A fresh classifier where there was one: on its device and of its type.</summary>
    internal static Conv2d Like(Conv2d old, int classes, Func<int, int, Conv2d> create)
    {
        var conv = create((int)old.Weight.Size(1), classes);
        conv.To(old.Weight.Device, old.Weight.DType);
        return conv;
    }
}
