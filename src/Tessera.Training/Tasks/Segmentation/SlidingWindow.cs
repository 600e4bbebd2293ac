using Tessera.Models.Layers;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>A part of an image.</summary>
/// <param name="Top">First row.</param>
/// <param name="Left">First column.</param>
/// <param name="Bottom">Row after the last.</param>
/// <param name="Right">Column after the last.</param>
public readonly record struct ImageWindow(int Top, int Left, int Bottom, int Right)
{
    /// <summary>Number of rows.</summary>
    public int Height => Bottom - Top;

    /// <summary>Number of columns.</summary>
    public int Width => Right - Left;
}

/// <summary>
/// Segments an image in windows that overlap, and averages their scores where they do. Rows are given out as soon as no window reaches
/// them any more, so that the scores of a large image never exist as a whole: memory grows with a window's height and the image's width.
/// </summary>
/// <param name="Crop">Height and width of a window; an image that is smaller is one window.</param>
/// <param name="Stride">Steps between windows, from 1 to the size of a window. The last ones are moved back into the image.</param>
public sealed record SlidingWindow((int Height, int Width) Crop, (int Height, int Width) Stride)
{
    // Rows that are averaged at once.
    private const int BandHeight = 64;

    /// <summary>The windows of an image, row by row.</summary>
    /// <param name="height">Height of the image.</param>
    /// <param name="width">Width of the image.</param>
    /// <exception cref="ArgumentException">Windows leave gaps or do not move.</exception>
    public IReadOnlyList<ImageWindow> Windows(int height, int width) =>
        [
            .. Parts(height, Crop.Height, Stride.Height)
                .SelectMany(
                    row => Parts(width, Crop.Width, Stride.Width),
                    (row, column) => new ImageWindow(row.Start, column.Start, row.End, column.End)
                ),
        ];

    private static (int Start, int End)[] Parts(int size, int crop, int stride)
    {
        if (stride < 1 || stride > crop)
            throw new ArgumentException($"the stride {stride} must be from 1 to {crop}, the size of a window", nameof(stride));
        var parts = new (int, int)[Math.Max(size - crop + stride - 1, 0) / stride + 1];
        for (var i = 0; i < parts.Length; i++)
        {
            var end = Math.Min(i * stride + crop, size);
            parts[i] = (Math.Max(end - crop, 0), end);
        }
        return parts;
    }

    /// <summary>Averages the scores of all windows, and gives them out in bands of whole rows from top to bottom.</summary>
    /// <param name="height">Height of the image.</param>
    /// <param name="width">Width of the image.</param>
    /// <param name="scores">
    /// Scores [B, C, h, w] of a window, at any resolution; they are resized bilinearly to it. Nothing else is asked for a window's pixels,
    /// so they can come from a file.
    /// </param>
    /// <param name="band">Takes the first row and the scores [B, C, rows, W] of a band, which are freed afterwards.</param>
    public void Run(int height, int width, Func<ImageWindow, Tensor> scores, Action<int, Tensor> band)
    {
        using var outside = Torch.NoGrad();
        var (rows, columns) = (Parts(height, Crop.Height, Stride.Height), Parts(width, Crop.Width, Stride.Width));
        var (above, beside) = (Covering(rows, height), Covering(columns, width));
        Tensor? sums = null; // of the rows of the current windows, [B, C, crop, W]
        try
        {
            for (var i = 0; i < rows.Length; i++)
            {
                var (top, bottom) = rows[i];
                if (i > 0)
                    Shift(sums!, top - rows[i - 1].Start);
                foreach (var (left, right) in columns)
                {
                    using var scope = new Scope();
                    var window = scores(new(top, left, bottom, right)).ResizeTo(bottom - top, right - left);
                    sums ??= window.NewZeros([window.Size(0), window.Size(1), bottom - top, width]).Keep();
                    sums.Slice(3, left, right).Add_(window);
                }
                var next = i + 1 < rows.Length ? rows[i + 1].Start : bottom;
                for (var row = top; row < next; row += BandHeight)
                {
                    using var scope = new Scope();
                    var end = Math.Min(row + BandHeight, next);
                    var counts = Tensor.From(above[row..end]).Unsqueeze(1) * Tensor.From(beside);
                    band(row, sums!.Slice(2, row - top, end - top) / counts.To(sums.DType).To(sums.Device));
                }
            }
        }
        finally
        {
            sums?.Dispose();
        }
    }

    // Moves sums up by some rows. A part at a time: source and target must not overlap.
    private static void Shift(Tensor sums, int rows)
    {
        using var scope = new Scope();
        var height = sums.Size(2);
        for (long row = 0; row + rows < height; row += rows)
        {
            var count = Math.Min(rows, height - rows - row);
            sums.Slice(2, row, row + count).Copy_(sums.Slice(2, row + rows, row + rows + count));
        }
        sums.Slice(2, Math.Max(0, height - rows)).Fill_(0);
    }

    // How many parts cover each place.
    private static double[] Covering((int Start, int End)[] parts, int size)
    {
        var counts = new double[size];
        foreach (var (start, end) in parts)
            for (var i = start; i < end; i++)
                counts[i]++;
        return counts;
    }

    /// <summary>The averaged scores of an image as a whole.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="scores">Scores of a window, at any resolution.</param>
    /// <returns>[B, classes, H, W].</returns>
    public Tensor Scores(Tensor image, Func<Tensor, Tensor> scores)
    {
        using var scope = new Scope();
        Tensor? all = null;
        Run(
            (int)image.Size(2),
            (int)image.Size(3),
            window => scores(Cut(image, window)),
            (row, band) =>
            {
                all ??= band.NewEmpty([band.Size(0), band.Size(1), image.Size(2), image.Size(3)]).Keep();
                all.Slice(2, row, row + band.Size(2)).Copy_(band);
            }
        );
        return scope.Return(Owned(all!));
    }

    /// <summary>The class of each pixel of one image. The scores of all pixels are never in memory at once.</summary>
    /// <param name="height">Height of the image.</param>
    /// <param name="width">Width of the image.</param>
    /// <param name="scores">Scores [1, C, h, w] of a window, at any resolution.</param>
    /// <returns>[H, W] on the CPU: uint8 for up to 256 classes, int64 for more.</returns>
    public Tensor Classes(int height, int width, Func<ImageWindow, Tensor> scores)
    {
        using var scope = new Scope();
        Tensor? all = null;
        Run(height, width, scores, (row, band) =>
        {
            all ??= Torch.Empty([height, width], band.Size(1) <= 256 ? DType.UInt8 : DType.Int64).Keep();
            all.Slice(0, row, row + band.Size(2)).Copy_(band.Argmax(1).Squeeze(0));
        });
        return scope.Return(Owned(all!));
    }

    // What was made inside of a band belongs to the caller from now on.
    private static Tensor Owned(Tensor kept)
    {
        var owned = kept.Share();
        kept.Dispose();
        return owned;
    }

    private static Tensor Cut(Tensor image, ImageWindow window) =>
        image.Slice(2, window.Top, window.Bottom).Slice(3, window.Left, window.Right);
}
