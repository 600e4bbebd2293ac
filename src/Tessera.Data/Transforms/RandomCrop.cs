namespace Tessera.Data;

/// <summary>How pixels outside of an image are made up.</summary>
public enum Padding
{
    /// <summary>One value everywhere.</summary>
    Constant,
    /// <summary>Mirrored at the border, whose own pixels are not repeated.</summary>
    Reflect,
}

/// <summary>A window at a random position of the padded image.</summary>
/// <param name="Pad">Pixels added at each side.</param>
/// <param name="Size">Side of the window; the image's own height and width when null.</param>
/// <param name="Fill">Value of constant padding, 0 to 255.</param>
/// <param name="Mode">How padding is made up.</param>
public sealed record RandomCrop(int Pad = 0, int? Size = null, int Fill = 0, Padding Mode = Padding.Constant) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var (height, width) = (canvas.Image.Height, canvas.Image.Width);
        var (outHeight, outWidth) = (Size ?? height, Size ?? width);
        if (outHeight > height + 2 * Pad || outWidth > width + 2 * Pad)
            throw new DataException($"crop: a window of {outHeight}x{outWidth} in an image of {height}x{width} with {Pad} pixels of padding");
        var top = random.Between(-Pad, height + Pad - outHeight);
        var left = random.Between(-Pad, width + Pad - outWidth);
        Window.Cut(canvas, top, left, outHeight, outWidth, (byte)Fill, Mode);
    }
}

/// <summary>A shift by whole pixels; what enters is filled.</summary>
/// <param name="Pixels">Largest shift in each direction.</param>
/// <param name="Fill">Value of pixels that enter, 0 to 255.</param>
public sealed record RandomShift(int Pixels, int Fill = 0) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var (dy, dx) = (random.Between(-Pixels, Pixels), random.Between(-Pixels, Pixels));
        Window.Cut(canvas, dy, dx, canvas.Image.Height, canvas.Image.Width, (byte)Fill);
    }
}

/// <summary>Cutting a window that may reach over the border.</summary>
internal static class Window
{
    internal static void Cut(Canvas canvas, int top, int left, int height, int width, byte fill = 0, Padding mode = Padding.Constant)
    {
        var source = canvas.Image;
        if (top == 0 && left == 0 && height == source.Height && width == source.Width) return;
        canvas.View = canvas.View.Window(top / (double)source.Height, left / (double)source.Width, height / (double)source.Height, width / (double)source.Width);
        var target = canvas.Scratch;
        target.Resize(source.Channels, height, width);
        var (from, to) = (Math.Clamp(-left, 0, width), Math.Clamp(source.Width - left, 0, width));
        for (var c = 0; c < source.Channels; c++)
            for (var y = 0; y < height; y++)
            {
                var row = target.Row(c, y);
                var sourceY = mode == Padding.Reflect ? Mirror(y + top, source.Height) : y + top;
                if (sourceY < 0 || sourceY >= source.Height || from >= to)
                {
                    row.Fill(fill);
                    continue;
                }
                var sourceRow = source.Row(c, sourceY);
                sourceRow[(left + from)..(left + to)].CopyTo(row[from..]);
                if (mode == Padding.Constant)
                {
                    row[..from].Fill(fill);
                    row[to..].Fill(fill);
                }
                else
                {
                    for (var x = 0; x < from; x++) row[x] = sourceRow[Mirror(x + left, source.Width)];
                    for (var x = to; x < width; x++) row[x] = sourceRow[Mirror(x + left, source.Width)];
                }
            }
        canvas.Swap();
    }

    private static int Mirror(int position, int size)
    {
        if (size == 1) return 0;
        var period = 2 * (size - 1);
        var place = (position % period + period) % period;
        return place < size ? place : period - place;
    }
}
