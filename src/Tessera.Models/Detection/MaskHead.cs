using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models.Detection;

/// <summary>
/// Says of every cell of a region whether it belongs to an object, for each class by itself. He et al., "Mask R-CNN", 2017,
/// arXiv:1703.06870, figure 4. Names of the weights are those of mmdetection.
/// </summary>
public sealed partial class MaskHead : Layer
{
    private readonly ModuleList<ConvModule> convs;
    private readonly ConvTranspose2d upsample;
    private Conv2d convLogits;

    /// <summary>A head with mmdetection's initialisation.</summary>
    /// <param name="channels">Of the features and of the convolutions.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="convolutions">Number of convolutions.</param>
    public MaskHead(int channels, int classes, int convolutions = 4)
    {
        convs = new(Enumerable.Range(0, convolutions).Select(_ => new ConvModule(channels, channels, 3, norm: ConvNorm.None)));
        upsample = new ConvTranspose2d(channels, channels, 2, 2);
        Init.KaimingNormal(upsample.Weight, fanOut: true);
        Init.Zeros(upsample.Bias!);
        convLogits = Classifier(channels, classes);
    }

    private static Conv2d Classifier(int channels, int classes)
    {
        var conv = new Conv2d(channels, classes, 1);
        Init.KaimingNormal(conv.Weight, fanOut: true);
        Init.Zeros(conv.Bias!);
        return conv;
    }

    /// <summary>A fresh answer for another number of classes.</summary>
    internal void ResetClassifier(int classes) => convLogits = PixelClassifier.Like(convLogits, classes, Classifier);

    /// <summary>[n, C, size, size] to logits [n, classes, 2 size, 2 size].</summary>
    protected override Tensor Forward(Tensor input) =>
        convLogits.Call(upsample.Call(convs.Aggregate(input, (map, conv) => conv.Call(map))).Relu());
}
