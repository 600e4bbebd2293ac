using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Data.Tests;

/// <summary>Small made-up data sets.</summary>
internal static class MadeUp
{
    /// <summary>Grey images whose pixels all hold the image's number (modulo 256).</summary>
    internal static MemoryImages Numbered(int count, int side = 4, int channels = 1)
    {
        var pixels = new byte[count * channels * side * side];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)(i / (channels * side * side));
        return new(
            "numbered",
            "train",
            ["even", "odd"],
            [.. Enumerable.Range(0, count).Select(i => i % 2)],
            pixels,
            channels,
            side,
            side,
            new([0f], [1 / 255f])
        );
    }

    /// <summary>Images of random pixels.</summary>
    internal static MemoryImages Noise(int count, int side = 8, int channels = 3)
    {
        var pixels = new byte[count * channels * side * side];
        new Random(1).NextBytes(pixels);
        return new("noise", "train", ["even", "odd"], [.. Enumerable.Range(0, count).Select(i => i % 2)], pixels, channels, side, side);
    }

    internal static Canvas CanvasOf(Raster image)
    {
        var canvas = new Canvas();
        canvas.Image.CopyFrom(image);
        return canvas;
    }

    internal static Raster NoiseImage(int channels, int height, int width, int seed = 1)
    {
        var image = new Raster(channels, height, width);
        new Random(seed).NextBytes(image.Values);
        return image;
    }
}
