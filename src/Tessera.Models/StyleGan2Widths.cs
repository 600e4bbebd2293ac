using System.Numerics;

namespace Tessera.Models;

/// <summary>Channels of the maps of <see cref="StyleGan2Generator"/> and <see cref="StyleGan2Discriminator"/>.</summary>
internal static class StyleGan2Widths
{
    /// <summary>Channels of the maps of each side from 4 to that of the images.</summary>
    /// <param name="imageSize">A power of two, at least 8.</param>
    /// <param name="small32">The narrow widths for images of up to 32 pixels.</param>
    /// <param name="multiplier">Factor of the channels of maps above 32 pixels.</param>
    /// <param name="widest">Most channels of a map.</param>
    /// <exception cref="ArgumentException">There are no such widths.</exception>
    internal static IReadOnlyList<int> Of(int imageSize, bool small32, double multiplier, int widest)
    {
        if (imageSize is < 8 or > 1024 || !BitOperations.IsPow2(imageSize))
            throw new ArgumentException($"the image size {imageSize} must be a power of 2 from 8 to 1024", nameof(imageSize));
        if (small32 && imageSize > 32)
            throw new ArgumentException($"small32 has widths for images of at most 32 pixels, not {imageSize}", nameof(small32));
        return
        [
            .. Enumerable
                .Range(2, BitOperations.Log2((uint)imageSize) - 1)
                .Select(power => Math.Clamp(small32 ? Math.Min(512, 4096 >> power) : Wide(1 << power, multiplier), 1, widest)),
        ];
    }

    private static int Wide(int side, double multiplier) => side <= 32 ? 512 : (int)(16384 / side * multiplier);
}
