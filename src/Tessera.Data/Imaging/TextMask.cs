using System.Security;

namespace Tessera.Data.Imaging;

/// <summary>A line of text as libvips draws it, with the system's fonts.</summary>
internal static unsafe class TextMask
{
    private const int Dots = 96;

    /// <summary>How much of each pixel the text covers, from 0 to 255.</summary>
    /// <param name="text">One line.</param>
    /// <param name="font">Name and size in points.</param>
    /// <exception cref="DataException">This libvips draws no text.</exception>
    internal static Raster Draw(string text, string font = "sans 10")
    {
        Vips.Start();
        // Pango reads marks: what looks like one is text here.
        var plain = SecurityElement.Escape(new([.. text.Select(c => char.IsControl(c) ? ' ' : c)]));
        using var alone = VipsRemarks.Alone();
        if (Vips.Text(out var image, plain, "font", font, "dpi", Dots, 0) != 0)
            throw new DataException($"libvips cannot draw the text '{text}': {VipsRemarks.Text(alone.Take())}");
        var region = Vips.NewRegion(image);
        try
        {
            var (height, width) = (Vips.Height(image), Vips.Width(image));
            nuint length = 0;
            var pixels = region == 0 ? 0 : Vips.Fetch(region, 0, 0, width, height, out length);
            if (pixels == 0 || length != (nuint)((long)height * width))
            {
                Vips.Free(pixels);
                throw new DataException($"libvips cannot draw the text '{text}': {VipsRemarks.Text(alone.Take())}");
            }
            var result = new Raster(1, height, width);
            new ReadOnlySpan<byte>((void*)pixels, height * width).CopyTo(result.Values);
            Vips.Free(pixels);
            return result;
        }
        finally
        {
            if (region != 0)
                Vips.Unref(region);
            Vips.Unref(image);
        }
    }
}
