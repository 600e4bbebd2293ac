using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// A segmentation head of convolutions at one resolution: the auxiliary head that trains the stages below the last. Long et al., "Fully
/// Convolutional Networks for Semantic Segmentation", 2015, arXiv:1411.4038. Names of the weights are those of mmsegmentation.
/// </summary>
public sealed partial class FcnHead : Layer
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Inputs">Channels of the map.</param>
    /// <param name="Channels">Channels of the convolutions.</param>
    /// <param name="Classes">Number of classes.</param>
    /// <param name="Convolutions">Number of convolutions, at least 1.</param>
    /// <param name="Kernel">Side of their kernels.</param>
    /// <param name="Concatenate">Whether one more convolution reads the map and the result of the others together.</param>
    /// <param name="Dropout">Dropout of whole channels before the classifier.</param>
    public sealed record Config(
        int Inputs,
        int Channels,
        int Classes,
        int Convolutions = 1,
        int Kernel = 3,
        bool Concatenate = false,
        double Dropout = 0.1
    );

    private Conv2d convSeg;
    private readonly ModuleList<ConvModule> convs;
    private readonly ConvModule? convCat;
    private readonly Dropout2d dropout;

    /// <summary>A head with mmsegmentation's initialisation.</summary>
    /// <exception cref="ArgumentException">It has no convolution.</exception>
    public FcnHead(Config config)
    {
        if (config.Convolutions < 1)
            throw new ArgumentException($"the number of convolutions must be at least 1, not {config.Convolutions}", nameof(config));
        convSeg = PixelClassifier.Create(config.Channels, config.Classes);
        convs = new(
            Enumerable
                .Range(0, config.Convolutions)
                .Select(i => new ConvModule(i == 0 ? config.Inputs : config.Channels, config.Channels, config.Kernel))
        );
        if (config.Concatenate)
            convCat = new ConvModule(config.Inputs + config.Channels, config.Channels, config.Kernel);
        dropout = new Dropout2d(config.Dropout);
    }

    /// <summary>A fresh classifier for another number of classes.</summary>
    internal void ResetClassifier(int classes) => convSeg = PixelClassifier.Like(convSeg, classes, PixelClassifier.Create);

    /// <summary>[B, C, H, W] to scores [B, classes, H, W].</summary>
    protected override Tensor Forward(Tensor input)
    {
        var x = convs.Aggregate(input, (map, conv) => conv.Call(map));
        if (convCat is not null)
            x = convCat.Call(Torch.Cat([input, x], 1));
        return convSeg.Call(dropout.Call(x));
    }
}
