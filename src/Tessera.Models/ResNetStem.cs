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

/// <summary>Which stem images of a size need.</summary>
internal static class ResNetStems
{
    private const int MostSmall = 40,
        MostPooled = 112;

    /// <summary>
    /// The stem for images of a size, by their shorter side: small up to 40 pixels, pooled up to 112, and that of ImageNet beyond.
    /// </summary>
    internal static ResNetStem For((int Height, int Width) size) =>
        Math.Min(size.Height, size.Width) switch
        {
            <= MostSmall => ResNetStem.Small,
            <= MostPooled => ResNetStem.SmallPooled,
            _ => ResNetStem.ImageNet,
        };

    /// <summary>Whether two stems have the same weights.</summary>
    internal static bool Alike(ResNetStem one, ResNetStem other) => one == ResNetStem.ImageNet == (other == ResNetStem.ImageNet);

    /// <summary>What a stem is, for people.</summary>
    internal static string Describe(ResNetStem stem) =>
        stem switch
        {
            ResNetStem.Small => "a 3 x 3 convolution of stride 1 alone",
            ResNetStem.SmallPooled => "a 3 x 3 convolution of stride 1 and max-pooling",
            _ => "a 7 x 7 convolution of stride 2 and max-pooling, as for ImageNet",
        };
}
