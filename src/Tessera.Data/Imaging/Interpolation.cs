namespace Tessera.Data.Imaging;

/// <summary>How values between pixels are made up.</summary>
public enum Interpolation
{
    /// <summary>The nearest pixel.</summary>
    Nearest,

    /// <summary>The mean of a box (resizing only).</summary>
    Box,

    /// <summary>Linear in both directions.</summary>
    Bilinear,

    /// <summary>Cubic in both directions.</summary>
    Bicubic,

    /// <summary>Windowed sinc of three lobes (resizing only).</summary>
    Lanczos,

    /// <summary>Bilinear or bicubic, drawn for each image.</summary>
    Random,
}

internal static class Interpolations
{
    internal static Interpolation Draw(this Interpolation interpolation, ref SampleRandom random) =>
        interpolation != Interpolation.Random ? interpolation
        : random.Chance(0.5) ? Interpolation.Bilinear
        : Interpolation.Bicubic;
}
