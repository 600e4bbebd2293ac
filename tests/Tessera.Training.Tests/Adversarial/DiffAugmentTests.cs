using Tessera.Testing;
using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Training.Tests.Adversarial;

[Collection("engine")]
public sealed class DiffAugmentTests
{
    private const int Count = 3,
        Height = 6,
        Width = 5;

    private static Tensor Images() => Torch.Rand([Count, 2, Height, Width], DType.Float64) * 2 - 1;

    private static Tensor Flags(params bool[] values) => Tensor.From([.. values.Select(value => value ? 1.0 : 0)]).To(DType.Bool);

    private static readonly bool[] twoOfThree = [true, false, true];

    // Pixel by pixel; nothing (gray) where a place is outside.
    private static Tensor ByPixel(Tensor x, Func<Func<int, int, int, int, double>, int, int, int, int, double> pixel)
    {
        var values = x.ToArray<double>();
        double At(int image, int channel, int row, int column) =>
            row is >= 0 and < Height && column is >= 0 and < Width ? values[((image * 2 + channel) * Height + row) * Width + column] : 0;
        return Tensor
            .From([
                .. from image in Enumerable.Range(0, Count)
                from channel in Enumerable.Range(0, 2)
                from row in Enumerable.Range(0, Height)
                from column in Enumerable.Range(0, Width)
                select twoOfThree[image] ? pixel(At, image, channel, row, column) : At(image, channel, row, column),
            ])
            .Reshape(x.Shape);
    }

    [Fact]
    public void Places_are_those_of_the_formulas()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var (x, applied) = (Images(), Flags(twoOfThree));
        int[] rows = [2, 1, -1],
            columns = [-1, 2, 3];
        Tensor Draws(int[] values) => Tensor.From([.. values.Select(value => (long)value)]);
        Near.Equal(
            ByPixel(x, (at, image, channel, row, column) => at(image, channel, row + rows[image], column + columns[image])),
            DiffAugment.Translation(x, Draws(rows), Draws(columns), applied),
            0
        );
        Near.Equal(
            ByPixel(x, (at, image, channel, row, column) => at(image, channel, row, Width - 1 - column)),
            DiffAugment.Flip(x, applied),
            0
        );
        // A square of 3 by 3 (half of 5, rounded up), cut off at the edges.
        int[] centreRows = [0, 3, 5],
            centreColumns = [4, 2, 1];
        Near.Equal(
            ByPixel(x, (at, image, channel, row, column) =>
                row - centreRows[image] + 1 is >= 0 and < 3 && column - centreColumns[image] + 1 is >= 0 and < 3
                    ? 0
                    : at(image, channel, row, column)
            ),
            DiffAugment.Cutout(x, Draws(centreRows), Draws(centreColumns), applied),
            0
        );
        double[] factors = [1.25, 3, 0.8];
        Near.Equal(ByPixel(x, (at, image, channel, row, column) =>
            {
                var (fromRow, fromColumn) = ((row - 2.5) / factors[image] + 2.5, (column - 2.0) / factors[image] + 2);
                var (top, left) = ((int)Math.Floor(fromRow), (int)Math.Floor(fromColumn));
                var (down, right) = (fromRow - top, fromColumn - left);
                return (1 - down) * ((1 - right) * at(image, channel, top, left) + right * at(image, channel, top, left + 1))
                    + down * ((1 - right) * at(image, channel, top + 1, left) + right * at(image, channel, top + 1, left + 1));
            }), DiffAugment.Scaling(x, Tensor.From(factors), applied), 1e-12);
    }

    [Fact]
    public void Colours_are_those_of_the_formulas()
    {
        using var scope = new Scope();
        Torch.Seed(2);
        var (x, applied) = (Images(), Flags(twoOfThree));
        double[] draws = [0.3, 0.5, 1.7];
        Near.Equal(
            ByPixel(x, (at, image, channel, row, column) => at(image, channel, row, column) + draws[image]),
            DiffAugment.Brightness(x, Tensor.From(draws), applied),
            1e-12
        );
        Near.Equal(ByPixel(x, (at, image, channel, row, column) =>
            {
                var mean = (at(image, 0, row, column) + at(image, 1, row, column)) / 2;
                return (at(image, channel, row, column) - mean) * draws[image] + mean;
            }), DiffAugment.Saturation(x, Tensor.From(draws), applied), 1e-12);
        var means = x.Mean((1, 2, 3)).ToArray<double>();
        Near.Equal(
            ByPixel(x, (at, image, channel, row, column) => (at(image, channel, row, column) - means[image]) * draws[image] + means[image]),
            DiffAugment.Contrast(x, Tensor.From(draws), applied),
            1e-12
        );
    }

    [Fact]
    public void Gradients_and_gradients_of_gradients_flow_through_every_step()
    {
        using var scope = new Scope();
        var options = new DiffAugmentOptions(Color: 1, Translation: 1, Flip: 0.5, Scaling: 1, Cutout: 1);
        Torch.Seed(3);
        var (x, weights) = (Images().Detach(), Torch.Rand([Count, 2, Height, Width], DType.Float64));
        x.RequiresGrad = true;

        // The same draws every time; cubed, since a linear map has no gradient of a gradient.
        Tensor Augmented(Tensor images)
        {
            Torch.Seed(4);
            return options.Apply(images);
        }

        GradientCheck.Holds(inputs => Augmented(inputs[0]), x);
        GradientCheck.Holds(
            inputs =>
            {
                using var recorded = Torch.EnableGrad();
                var sum = (Augmented(inputs[0]).Pow(3) * weights).Sum();
                return Autograd.Grad([sum], inputs, createGraph: true)[0]!.Square().Sum();
            },
            x
        );
    }

    [Fact]
    public void A_probability_of_zero_changes_nothing_and_draws_nothing()
    {
        using var scope = new Scope();
        Torch.Seed(6);
        var x = Torch.Rand([4, 3, 8, 8], DType.Float64);
        Torch.Seed(7);
        var expected = Torch.Rand(3).ToArray<float>();
        Torch.Seed(7);
        Near.Identical(x, new DiffAugmentOptions(0, 0, 0, 0, 0).Apply(x));
        Assert.Equal(expected, Torch.Rand(3).ToArray<float>());
    }

    [Fact]
    public void Every_image_has_draws_of_its_own_as_often_as_the_probability_says()
    {
        using var scope = new Scope();
        Torch.Seed(8);
        var x = Torch.Rand([1, 3, 8, 8]).Expand([2000, 3, 8, 8]).Contiguous();
        foreach (
            var (options, share) in new[]
            {
                (new DiffAugmentOptions(0, 0, 0.45, 0, 0), 0.45),
                (new DiffAugmentOptions(0, 0, 0, 0, 0.3), 0.3),
                (new DiffAugmentOptions(0, 0, 0, 0.8, 0), 0.8),
                // Of those that are moved, one of nine is moved by nothing.
                (new DiffAugmentOptions(0, 0.8, 0, 0, 0), 0.8 * 8 / 9),
                (new DiffAugmentOptions(0.5, 0, 0, 0, 0), 1 - 0.5 * 0.5 * 0.5),
            }
        )
        {
            var changed = (options.Apply(x) - x).Abs().Amax((1, 2, 3)).Gt(1e-5).To(DType.Float64).Mean().ToDouble();
            // Four deviations of the mean of 2000 draws.
            Assert.InRange(changed, share - 0.045, share + 0.045);
        }
        Assert.NotEqual(Drawn(x, 9), Drawn(x, 10));
        Assert.Equal(Drawn(x, 9), Drawn(x, 9));

        static float[] Drawn(Tensor images, ulong seed)
        {
            Torch.Seed(seed);
            return new DiffAugmentOptions().Apply(images.Slice(0, 0, 8)).ToArray<float>();
        }
    }
}
