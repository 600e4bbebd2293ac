using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Training.Drawing;

/// <summary>Lays the colours of a label map over its image.</summary>
internal static class MapOverlay
{
    // Of the colour; the rest is the image.
    private const double Strength = 0.6;

    /// <summary>The image with each pixel tinted in the colour of its class; ignored pixels stay as they are.</summary>
    /// <param name="image">The image, grey or in colours.</param>
    /// <param name="ids">Class per pixel of the image, [H, W].</param>
    /// <param name="colors">Colour of each class.</param>
    internal static Raster Of(Raster image, ReadOnlySpan<long> ids, IReadOnlyList<(byte R, byte G, byte B)> colors)
    {
        var result = new Raster(3, image.Height, image.Width);
        for (var c = 0; c < 3; c++)
        {
            ReadOnlySpan<byte> source = image.Plane(image.Channels < 3 ? 0 : c);
            var target = result.Plane(c);
            for (var i = 0; i < target.Length; i++)
                target[i] = ids[i] < colors.Count ? Mixed(source[i], Part(colors[(int)ids[i]], c)) : source[i];
        }
        return result;
    }

    private static byte Part((byte R, byte G, byte B) color, int channel) =>
        channel switch
        {
            0 => color.R,
            1 => color.G,
            _ => color.B,
        };

    private static byte Mixed(byte image, byte color) => (byte)Math.Round(image + Strength * (color - image));
}
