namespace Tessera.Models;

/// <summary>What a residual network does before its first stage.</summary>
public enum ResNetStem
{
    /// <summary>A 7 x 7 convolution of stride 2 and max-pooling of stride 2: the first stage sees a quarter of the image's side.</summary>
    ImageNet,

    /// <summary>A 3 x 3 convolution of stride 1 and max-pooling of stride 2, for images of some 64 to 96 pixels.</summary>
    SmallPooled,

    /// <summary>A 3 x 3 convolution of stride 1 alone, for images of some 32 pixels.</summary>
    Small,
}
