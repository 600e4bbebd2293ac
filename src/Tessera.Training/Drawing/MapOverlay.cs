using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Training.Drawing;

/// <summary>Lays the colours of a label map over its image.</summary>
internal static class MapOverlay
{
    // Of the colour; the rest is the image.
    private const double Strength = 0.55;

    /// <summary>The image with each pixel tinted in the colour of its class; ignored pixels stay as they are.</summary>
    /// <param name="image">The image, grey or in colours, of any size.</param>
    /// <param name="map">Class of each pixel of its original.</param>
    /// <param name="colors">Colour of each class.</param>
    /// <param name="scale">Pixels of the picture per pixel of the image.</param>
    /// <param name="below">Rows that are added below, in white.</param>
    /// <param name="width">Columns of the picture; those of the image where that is more.</param>
    internal static Raster Of(
        Raster image,
        LabelMap map,
        IReadOnlyList<(byte R, byte G, byte B)> colors,
        int scale = 1,
        int below = 0,
        int width = 0
    )
    {
        var result = Paint.Enlarged(image, scale, below, width);
        var (height, used) = (image.Height * scale, image.Width * scale);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < used; x++)
            if (At(map, y, x, height, used) is var id && id < colors.Count)
                for (var c = 0; c < 3; c++)
                    result.Row(c, y)[x] = Paint.Mixed(result.Row(c, y)[x], Paint.Part(colors[id], c), Strength);
        return result;
    }

    /// <summary>The class under the centre of a pixel of a picture of some size.</summary>
    internal static byte At(LabelMap map, int y, int x, int height, int width) =>
        map.Ids[
            (int)((2L * y + 1) * map.Size.Height / (2L * height)) * map.Size.Width + (int)((2L * x + 1) * map.Size.Width / (2L * width))
        ];
}
