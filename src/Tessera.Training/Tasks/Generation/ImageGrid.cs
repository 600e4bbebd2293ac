using Tessera.Training.Generation;

namespace Tessera.Training.Tasks.Generation;

/// <summary>Images in [0, 1] as PNG files, alone or in rows.</summary>
public static class ImageGrid
{
    // Between two images, and around all.
    private const int Gap = 2;

    private const byte Ground = 255;

    /// <summary>An image as a PNG file, of 8 bits per channel.</summary>
    /// <param name="image">[1, C, H, W] in [0, 1]; C is 1 or 3.</param>
    /// <exception cref="ArgumentException">There are other channels.</exception>
    public static byte[] Png(Tensor image)
    {
        var (pixels, height, width, channels) = Pixels(image);
        return Drawing.Png.Encode(pixels, height, width, channels);
    }

    /// <summary>Several images of one size as a PNG file, row by row.</summary>
    /// <param name="images">[1, C, H, W] in [0, 1] each, at least one; C is 1 or 3.</param>
    /// <param name="columns">Images beside each other; by default about as many as below each other.</param>
    /// <exception cref="ArgumentException">There are other channels, or images of several sizes.</exception>
    public static byte[] Png(IReadOnlyList<Tensor> images, int? columns = null)
    {
        var (_, height, width, channels) = Pixels(images[0]);
        var across = Math.Min(images.Count, columns ?? (int)Math.Ceiling(Math.Sqrt(images.Count)));
        var down = (images.Count + across - 1) / across;
        var (h, w) = (down * (height + Gap) + Gap, across * (width + Gap) + Gap);
        var all = new byte[h * w * channels];
        all.AsSpan().Fill(Ground);
        foreach (var (i, image) in images.Index())
        {
            var (pixels, ownHeight, ownWidth, ownChannels) = Pixels(image);
            if ((ownHeight, ownWidth, ownChannels) != (height, width, channels))
                throw new ArgumentException(
                    $"images of a grid must be of one shape, not {images[0].Shape} and {image.Shape}",
                    nameof(images)
                );
            var (top, left) = (Gap + i / across * (height + Gap), Gap + i % across * (width + Gap));
            for (var y = 0; y < height; y++)
                pixels.AsSpan(y * width * channels, width * channels).CopyTo(all.AsSpan(((top + y) * w + left) * channels));
        }
        return Drawing.Png.Encode(all, h, w, channels);
    }

    private static (byte[] Pixels, int Height, int Width, int Channels) Pixels(Tensor image)
    {
        if (image.Dim != 4 || image.Size(0) != 1 || image.Size(1) is not (1 or 3))
            throw new ArgumentException($"a picture must be [1, C, H, W] with 1 or 3 channels, not {image.Shape}", nameof(image));
        return (Bytes(image), (int)image.Size(2), (int)image.Size(3), (int)image.Size(1));
    }

    /// <summary>The pixels [H, W, C] of an image [1, C, H, W] in [0, 1].</summary>
    internal static byte[] Bytes(Tensor image)
    {
        using var scope = new Scope();
        return EightBits.Bytes(image).To(Device.Cpu)[0].Permute(1, 2, 0).Contiguous().ToArray<byte>();
    }
}
