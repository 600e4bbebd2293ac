using Tessera.Data;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// The corruption of SiT's release of 2021: one rectangle of an image becomes grey, one is blurred, some are filled with noise, and some with
/// parts of another image of the batch as it is at that moment. Atito et al., 2021, arXiv:2104.03602.
/// </summary>
public sealed class Distortion : ImageCorruption
{
    private const double MostArea = 0.3,
        Least = 0.05,
        Most = 0.25;

    /// <inheritdoc/>
    protected override bool NeedsNoise => true;

    /// <inheritdoc/>
    protected override bool Prepares => true;

    /// <inheritdoc/>
    protected override void Prepare(Tensor image, ref SampleRandom random)
    {
        using var scope = new Scope();
        var (_, height, width) = image.Shape;
        var grey = Part(image, Rectangle((int)height, (int)width, 1, ref random));
        grey.Copy_(grey.Mean([0], true).Expand(grey.Shape));
        var blurred = Part(image, Rectangle((int)height, (int)width, 1, ref random));
        var kernel = 2 * (random.Between(3, 15) / 2) + 1;
        blurred.Copy_(Blur(blurred, kernel, random.Uniform(0.1, 5.1)));
    }

    /// <inheritdoc/>
    protected override void Draw(PixelSources sources, int image, int height, int width, int count, ref SampleRandom random)
    {
        Cover(BlockFilling.Noise, -1, ref random);
        if (count > 1 && random.Below(count) is var other && other != image)
            Cover(BlockFilling.Replace, other, ref random);

        // Counted as often as it is written, unlike the masking of the later versions.
        void Cover(BlockFilling filling, int from, ref SampleRandom draws)
        {
            var target = draws.Uniform(0, MostArea) * height * width;
            for (var written = 0; written < target; )
                written += sources.Write(
                    image,
                    Rectangle(height, width, Most, ref draws) with
                    {
                        Filling = filling,
                    },
                    from,
                    asItIs: from < image
                );
        }
    }

    private static PixelBlock Rectangle(int height, int width, double most, ref SampleRandom random)
    {
        var (row, high) = Side(height, most, ref random);
        var (column, wide) = Side(width, most, ref random);
        return new(row, column, high, wide, BlockFilling.Noise);
    }

    private static (int First, int Extent) Side(int side, double most, ref SampleRandom random)
    {
        var least = Math.Max(1, (int)(Least * side));
        var first = random.Below(Math.Max(1, side - least));
        var extent = random.Between(least, Math.Max(least, (int)(most * side) - 1));
        return (first, Math.Min(extent, side - first));
    }

    private static Tensor Part(Tensor image, PixelBlock block) =>
        image.Slice(1, block.Row, block.Row + block.Height).Slice(2, block.Column, block.Column + block.Width);

    /// <summary>A Gaussian blur of a rectangle by itself, whose pixels go on as in a mirror beyond its edges.</summary>
    /// <param name="part">[C, h, w].</param>
    /// <param name="kernel">Side of the kernel, odd; less where the rectangle is too narrow for the mirror.</param>
    /// <param name="sigma">Deviation in pixels, above 0.</param>
    private static Tensor Blur(Tensor part, int kernel, double sigma)
    {
        var (channels, height, width) = part.Shape;
        var x = part.Unsqueeze(0);
        x = Along(x, (int)Math.Min(kernel, 2 * (height - 1) + 1), vertical: true);
        return Along(x, (int)Math.Min(kernel, 2 * (width - 1) + 1), vertical: false).Squeeze(0);

        Tensor Along(Tensor input, int side, bool vertical)
        {
            if (side == 1)
                return input;
            var reach = side / 2;
            var offsets = Torch.Arange(side, dtype: DType.Float64) - reach;
            var weights = (offsets.Square() / (-2 * sigma * sigma)).Exp();
            weights = (weights / weights.Sum()).To(input.DType).To(input.Device);
            IntList shape = vertical ? [channels, 1, side, 1] : [channels, 1, 1, side];
            IntList padding = vertical ? [0, 0, reach, reach] : [reach, reach, 0, 0];
            var filter = (vertical ? weights.Reshape(1, 1, side, 1) : weights.Reshape(1, 1, 1, side)).Expand(shape).Contiguous();
            return Torch.Conv2d(input.ReflectionPad2d(padding), filter, groups: channels);
        }
    }
}
