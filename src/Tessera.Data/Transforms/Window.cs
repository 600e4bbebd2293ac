using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>Cutting a window that may reach over the border.</summary>
internal static class Window
{
    /// <summary>Makes a window the image.</summary>
    /// <param name="canvas">The image.</param>
    /// <param name="top">First row.</param>
    /// <param name="left">First column.</param>
    /// <param name="height">Of the window.</param>
    /// <param name="width">Of the window.</param>
    /// <param name="border">Value of pixels outside of the image; null mirrors the image there.</param>
    internal static void Cut(Canvas canvas, int top, int left, int height, int width, byte? border = 0) =>
        Cut(canvas, top, left, height, width, _ => border);

    /// <summary>Makes a window the image, which the mean of the data set surrounds where no value is given.</summary>
    /// <inheritdoc cref="Cut(Canvas, int, int, int, int, byte?)"/>
    /// <param name="canvas">The image.</param>
    /// <param name="top">First row.</param>
    /// <param name="left">First column.</param>
    /// <param name="height">Of the window.</param>
    /// <param name="width">Of the window.</param>
    /// <param name="fill">Value of pixels outside of the image; the mean of the data set when null.</param>
    internal static void CutFilled(Canvas canvas, int top, int left, int height, int width, int? fill) =>
        Cut(canvas, top, left, height, width, channel => (byte?)fill ?? canvas.FillOf(channel));

    private static void Cut(Canvas canvas, int top, int left, int height, int width, Func<int, byte?> borderOf)
    {
        var source = canvas.Image;
        if (top == 0 && left == 0 && height == source.Height && width == source.Width)
            return;
        canvas.Show(canvas.View.Cut(top, left, height, width, source.Height, source.Width));
        var target = canvas.Scratch;
        target.Resize(source.Channels, height, width);
        var (from, to) = (Math.Clamp(-left, 0, width), Math.Clamp(source.Width - left, 0, width));
        for (var c = 0; c < source.Channels; c++)
        {
            var border = borderOf(c);
            for (var y = 0; y < height; y++)
            {
                var row = target.Row(c, y);
                if (Source(y + top, source.Height, border) is not { } sourceY)
                {
                    row.Fill(border.GetValueOrDefault());
                    continue;
                }
                var sourceRow = source.Row(c, sourceY);
                if (from < to)
                    sourceRow[(left + from)..(left + to)].CopyTo(row[from..]);
                Outside(row, sourceRow, border, 0, from);
                Outside(row, sourceRow, border, to, width);
            }
        }
        canvas.Swap();

        void Outside(Span<byte> row, ReadOnlySpan<byte> sourceRow, byte? border, int start, int end)
        {
            if (border is { } value)
                row[start..end].Fill(value);
            else
                for (var x = start; x < end; x++)
                    row[x] = sourceRow[Mirror(x + left, sourceRow.Length)];
        }
    }

    /// <summary>The row (or column) of an image that is seen at a position, which may lie outside; null where the border is.</summary>
    internal static int? Source(int position, int size, byte? border) =>
        position >= 0 && position < size ? position
        : border is null ? Mirror(position, size)
        : null;

    private static int Mirror(int position, int size)
    {
        if (size == 1)
            return 0;
        var period = 2 * (size - 1);
        var place = (position % period + period) % period;
        return place < size ? place : period - place;
    }
}
