using Tessera.Data;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Group masked model learning: blocks of an image are destroyed one after the other until a share of it is covered; or, instead, blocks of
/// another image of the batch are pasted. Atito et al., 2021, arXiv:2104.03602, in the form of 2022.
/// </summary>
public sealed class GroupMasking : ImageCorruption
{
    private const double LeastShare = 0.5;

    private readonly IReadOnlyList<BlockFilling> fillings;
    private readonly double area,
        replaced;
    private readonly int align;

    /// <summary>The corruption for images of a size.</summary>
    /// <param name="fillings">Fillings of blocks, of which each image has one: zeros, noise or block.</param>
    /// <param name="area">Largest share of an image that is destroyed, above 0; a half of the image where it is more than a half.</param>
    /// <param name="replaced">The same for images into which another image is pasted; 0 pastes nothing.</param>
    /// <param name="align">Blocks begin and end at multiples of so many pixels: 1, or the side of a patch.</param>
    /// <param name="size">Height and width of the images.</param>
    /// <exception cref="ArgumentException">No filling, or one by another image; or blocks that cannot cover so much of the image.</exception>
    public GroupMasking(IReadOnlyList<BlockFilling> fillings, double area, double replaced, int align, (int Height, int Width) size)
    {
        if (fillings.Count == 0 || fillings.Contains(BlockFilling.Replace))
            throw new ArgumentException("drop must list at least one of zeros, noise and block", nameof(fillings));
        var reached = Reach(size.Height, align) * (double)Reach(size.Width, align) / (size.Height * (double)size.Width);
        if (Math.Max(area, replaced) > reached)
            throw new ArgumentException(
                FormattableString.Invariant($"blocks that are aligned to {align} pixels cover at most {reached:0.##} of an image of ")
                    + FormattableString.Invariant($"{size.Height} x {size.Width}, and not {Math.Max(area, replaced):0.##}: ")
                    + "align must be smaller, or the share",
                nameof(align)
            );
        (this.fillings, this.area, this.replaced, this.align) = (fillings, area, replaced, align);
    }

    /// <summary>Pixels from the first that blocks can cover along a side: the last corner is before the last place.</summary>
    private static int Reach(int side, int align)
    {
        var last = Math.Max(0, side - align - 1) / align * align;
        return Math.Min(side, last + Extent(Longest(side, align), side - last, align));
    }

    private static int Longest(int side, int align) => Math.Max(align, (int)(0.3 * side) - 1);

    // Half to even, as the reference's rounding.
    private static int Extent(int drawn, int rest, int align) =>
        Math.Max(1, (int)Math.Round(Math.Min(drawn, rest) / (double)align, MidpointRounding.ToEven)) * align;

    /// <inheritdoc/>
    protected override bool NeedsNoise => fillings.Contains(BlockFilling.Noise);

    /// <inheritdoc/>
    protected override void Draw(PixelSources sources, int image, int height, int width, int count, ref SampleRandom random)
    {
        // Instead of pixels that were dropped, not on top of them.
        if (replaced > 0 && count > 1 && random.Chance(1.0 / (fillings.Count + 1)))
            Fill(BlockFilling.Replace, replaced, random.Below(count), ref random);
        else
            Fill(fillings[random.Below(fillings.Count)], area, -1, ref random);

        void Fill(BlockFilling filling, double most, int other, ref SampleRandom draws)
        {
            var target = draws.Uniform(Math.Min(LeastShare, most), most) * height * width;
            while (sources.Covered(image) < target)
            {
                var (row, high) = Side(height, ref draws);
                var (column, wide) = Side(width, ref draws);
                var (fromRow, fromColumn) =
                    filling == BlockFilling.Block ? (draws.Below(height - high + 1), draws.Below(width - wide + 1)) : (0, 0);
                sources.Write(image, new(row, column, high, wide, filling, fromRow, fromColumn), other);
            }
        }
    }

    private (int First, int Extent) Side(int side, ref SampleRandom random)
    {
        var first = random.Below(Math.Max(1, side - align)) / align * align;
        var extent = Extent(random.Between(align, Longest(side, align)), side - first, align);
        return (first, Math.Min(extent, side - first));
    }
}
