namespace Tessera.Models.Layers;

/// <summary>Cuts maps into windows, row-major within each image, and joins them again.</summary>
public static class Windows
{
    /// <summary>
    /// [B, H, W, C] to [B windows, h w, C]: windows of one image follow each other, and so do the positions of a window, both by rows.
    /// </summary>
    /// <exception cref="ShapeException">The map does not divide into such windows.</exception>
    public static Tensor Cut(Tensor map, (int Height, int Width) window)
    {
        var (batch, height, width, channels) = map.Shape;
        if (height % window.Height != 0 || width % window.Width != 0)
            throw new ShapeException($"a map of {height} x {width} does not divide into windows of {window.Height} x {window.Width}");
        return Torch.Scope(() =>
            map.Reshape(batch, height / window.Height, window.Height, width / window.Width, window.Width, channels)
                .Permute(0, 1, 3, 2, 4, 5)
                .Reshape(-1, window.Height * window.Width, channels)
        );
    }

    /// <summary>A size rounded up to whole windows.</summary>
    public static int Ceiling(int size, int window) => (size + window - 1) / window * window;

    /// <summary>The map [B, H, W, C] of windows [B windows, h w, C].</summary>
    public static Tensor Join(Tensor windows, (int Height, int Width) window, long height, long width)
    {
        var channels = windows.Size(2);
        return Torch.Scope(() =>
            windows
                .Reshape(-1, height / window.Height, width / window.Width, window.Height, window.Width, channels)
                .Permute(0, 1, 3, 2, 4, 5)
                .Reshape(-1, height, width, channels)
        );
    }

    /// <summary>
    /// What is added to the scores of windows that were shifted cyclically: 0 for pairs that are neighbours in the map, -100 for
    /// pairs that the shift brought together (Liu et al., 2021, arXiv:2103.14030, section 3.2). [windows, h w, h w].
    /// </summary>
    /// <param name="height">Height of the map.</param>
    /// <param name="width">Its width.</param>
    /// <param name="window">Side of a window.</param>
    /// <param name="shift">How far the map was rolled, up and to the left.</param>
    /// <param name="like">A tensor of the type and on the device that are wanted; float32 on the CPU when left out.</param>
    public static Tensor ShiftMask(long height, long width, int window, int shift, Tensor? like = null)
    {
        var (dtype, device) = (like?.DType ?? DType.Float32, like?.Device ?? Device.Cpu);
        return Torch.Scope(() =>
        {
            var regions = (Regions(height) * 3).Unsqueeze(1) + Regions(width).Unsqueeze(0); // [H, W], 0 to 8
            var cut = Cut(regions.Reshape(1, height, width, 1), (window, window)).Squeeze(-1); // [windows, h w]
            return cut.Unsqueeze(1).Ne(cut.Unsqueeze(2)).To(dtype) * -100;
        });

        // 0 where no window wraps, 1 in the last window before the seam, 2 behind it.
        Tensor Regions(long size)
        {
            var positions = Torch.Arange(size, device: device);
            return (positions >= size - window).To(DType.Int64) + (positions >= size - shift).To(DType.Int64);
        }
    }
}
