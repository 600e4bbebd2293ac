namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Where each pixel of a batch of corrupted images comes from. Blocks are written one after the other here, on the processor and without
/// their values; the images are then gathered at once, wherever they lie.
/// </summary>
public sealed class PixelSources
{
    private readonly int images,
        height,
        width;

    // Row of a table: zeros, then the pixels of all images, of all noise, and of all prepared images.
    private readonly long[] rows;
    private readonly float[] mask;
    private readonly int[] covered;

    /// <summary>Images that are whole.</summary>
    /// <param name="images">Number of images.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="prepared">Whether pixels come from prepared images, which <see cref="Render"/> is given, and not from the clean ones.</param>
    public PixelSources(int images, int height, int width, bool prepared = false)
    {
        (this.images, this.height, this.width) = (images, height, width);
        rows = new long[(long)images * Area];
        mask = new float[rows.Length];
        covered = new int[images];
        var first = prepared ? Prepared : Clean;
        for (var i = 0; i < rows.Length; i++)
            rows[i] = first + i;
    }

    private int Area => height * width;

    private static long Clean => 1;

    private long Noise => 1 + (long)images * Area;

    private long Prepared => 1 + 2L * images * Area;

    /// <summary>Number of positions of an image that have been written, each counted once.</summary>
    public int Covered(int image) => covered[image];

    /// <summary>Writes a block into an image; what lies outside of the image is left out.</summary>
    /// <param name="image">Which image.</param>
    /// <param name="block">Place, size and filling.</param>
    /// <param name="other">The image that a filling by another image is taken from.</param>
    /// <param name="asItIs">Whether the other image is taken as it is at that moment, instead of clean.</param>
    /// <returns>Number of positions that were written, whether they had been before or not.</returns>
    public int Write(int image, PixelBlock block, int other = -1, bool asItIs = false)
    {
        var (high, wide) = (Math.Min(block.Height, height - block.Row), Math.Min(block.Width, width - block.Column));
        if (block.Filling == BlockFilling.Block)
            (high, wide) = (Math.Min(high, height - block.FromRow), Math.Min(wide, width - block.FromColumn));
        // Taken before writing: the two blocks of a copy may overlap.
        var values = new long[high * wide];
        for (var y = 0; y < high; y++)
        for (var x = 0; x < wide; x++)
        {
            var at = (block.Row + y) * width + block.Column + x;
            values[y * wide + x] = block.Filling switch
            {
                BlockFilling.Zeros => 0,
                BlockFilling.Noise => Noise + (long)image * Area + at,
                BlockFilling.Block => rows[(long)image * Area + (block.FromRow + y) * width + block.FromColumn + x],
                _ => asItIs ? rows[(long)other * Area + at] : Clean + (long)other * Area + at,
            };
        }
        for (var y = 0; y < high; y++)
        for (var x = 0; x < wide; x++)
        {
            var at = (long)image * Area + (block.Row + y) * width + block.Column + x;
            rows[at] = values[y * wide + x];
            if (mask[at] == 0)
                covered[image]++;
            mask[at] = 1;
        }
        return high * wide;
    }

    /// <summary>1 where a block was written, else 0, [B, 1, H, W].</summary>
    /// <param name="like">Type and device of the result.</param>
    public Tensor Mask(Tensor like) => Torch.Scope(() => Tensor.From(mask, images, 1, height, width).To(like.DType).To(like.Device));

    /// <summary>The corrupted images, [B, C, H, W].</summary>
    /// <param name="clean">The images as they were, [B, C, H, W].</param>
    /// <param name="noise">Normal noise of their shape; null where no block is filled with it.</param>
    /// <param name="prepared">Images that pixels come from in place of the clean ones, if that was said.</param>
    public Tensor Render(Tensor clean, Tensor? noise, Tensor? prepared = null) =>
        Torch.Scope(() =>
        {
            var channels = clean.Size(1);
            Tensor[] table =
            [
                Torch.Zeros([1, channels], clean.DType, device: clean.Device),
                .. ((Tensor[])[clean, noise ?? clean, .. prepared is null ? Array.Empty<Tensor>() : [prepared]]).Select(part =>
                    part.Permute(0, 2, 3, 1).Reshape(-1, channels)
                ),
            ];
            var found = Torch.Cat(table, 0).IndexSelect(0, Tensor.From(rows).To(clean.Device)); // [B H W, C]
            return found.Reshape(images, height, width, channels).Permute(0, 3, 1, 2).Contiguous();
        });
}
