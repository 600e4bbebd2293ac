namespace Tessera.Data.Imaging;

/// <summary>A part of an image by its first row and column and its size, in pixels.</summary>
public readonly record struct Part(int Top, int Left, int Height, int Width);

/// <summary>A part of an image that is decoded some rows at a time.</summary>
internal sealed class Strips(VipsImage image, Part part, int channels)
{
    internal int Channels => channels;

    internal int Height => part.Height;

    internal int Width => part.Width;

    /// <summary>Goes through all rows once.</summary>
    /// <param name="strip">Takes on some of them at a time.</param>
    /// <param name="next">Told the row of the part that the strip begins with.</param>
    internal void Read(Raster strip, Action<int> next) => image.Read(part, (pixels, row, height) =>
        {
            strip.Resize(channels, height, part.Width);
            image.Convert(pixels, strip, 0, strip.PlaneSize);
            next(row);
        });

    /// <summary>All rows.</summary>
    internal void CopyTo(Raster target)
    {
        target.Resize(channels, part.Height, part.Width);
        image.Read(part, (pixels, row, height) => image.Convert(pixels, target, row * part.Width, height * part.Width));
    }
}
