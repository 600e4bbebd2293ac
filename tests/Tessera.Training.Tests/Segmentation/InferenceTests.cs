using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using Tessera.Testing;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

[Collection("engine")]
public sealed class InferenceTests
{
    // Every position sees its neighbours: the borders of a window matter.
    private static Func<Tensor, Tensor> Network(int channels = 2, int classes = 3)
    {
        var weight = Torch.Randn([classes, channels, 3, 3]);
        return image => Torch.Conv2d(image, weight, null, padding: 1);
    }

    // All windows into one map, as their definition says.
    private static Tensor Naive(SlidingWindow sliding, Tensor image, Func<Tensor, Tensor> network)
    {
        var (height, width) = (image.Size(2), image.Size(3));
        var (sums, counts) = (Torch.Zeros([image.Size(0), 3, height, width]), Torch.Zeros([1, 1, height, width]));
        foreach (var (top, left, bottom, right) in sliding.Windows((int)height, (int)width))
        {
            sums.Slice(2, top, bottom).Slice(3, left, right).Add_(network(image.Slice(2, top, bottom).Slice(3, left, right)));
            counts.Slice(2, top, bottom).Slice(3, left, right).Add_(1);
        }
        return sums / counts;
    }

    [Theory]
    [InlineData(20, 27, 12, 12, 8, 8)]
    [InlineData(31, 17, 7, 9, 3, 4)]
    [InlineData(200, 9, 70, 9, 5, 1)]
    [InlineData(40, 40, 10, 10, 10, 10)]
    [InlineData(9, 30, 12, 12, 5, 5)]
    [InlineData(5, 6, 12, 12, 12, 12)]
    public void Windows_that_are_given_out_row_by_row_are_the_naive_average(
        int height,
        int width,
        int cropHeight,
        int cropWidth,
        int strideHeight,
        int strideWidth
    )
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var sliding = new SlidingWindow((cropHeight, cropWidth), (strideHeight, strideWidth));
        var (image, network) = (Torch.Randn([2, 2, height, width]), Network());
        var naive = Naive(sliding, image, network);
        Near.Identical(naive, sliding.Scores(image, network));
        Near.Identical(
            naive.Argmax(1).To(DType.UInt8).Select(0, 0).Contiguous(),
            sliding.Classes(height, width, window =>
                network(image.Slice(0, 0, 1).Slice(2, window.Top, window.Bottom).Slice(3, window.Left, window.Right))
            )
        );
    }

    [Fact]
    public void Windows_cover_every_pixel_and_none_lies_outside()
    {
        var cases =
            from height in Gen.Choose(1, 40)
            from width in Gen.Choose(1, 40)
            from crop in Gen.Choose(1, 15)
            from stride in Gen.Choose(1, crop)
            select (height, width, crop, stride);
        Prop.ForAll(cases.ToArbitrary(), c =>
            {
                var seen = new bool[c.height, c.width];
                foreach (var window in new SlidingWindow((c.crop, c.crop), (c.stride, c.stride)).Windows(c.height, c.width))
                {
                    Assert.Equal((Math.Min(c.crop, c.height), Math.Min(c.crop, c.width)), (window.Height, window.Width));
                    for (var y = window.Top; y < window.Bottom; y++)
                    for (var x = window.Left; x < window.Right; x++)
                        seen[y, x] = true;
                }
                Assert.DoesNotContain(false, seen.Cast<bool>());
            })
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_window_larger_than_the_image_sees_it_whole()
    {
        using var scope = Torch.Scope();
        var (image, network) = (Torch.Randn([1, 2, 9, 11]), Network());
        Near.Identical(WholeImage.Scores(image, network), new SlidingWindow((16, 16), (8, 8)).Scores(image, network));
    }

    [Fact]
    public void Bands_cover_every_row_once_and_in_order_and_are_never_higher_than_a_window()
    {
        using var scope = Torch.Scope();
        var next = 0;
        new SlidingWindow((100, 40), (60, 30)).Run(
            333,
            50,
            window => Torch.Zeros([1, 2, window.Height, window.Width]),
            (row, band) =>
            {
                Assert.Equal(next, row);
                Assert.InRange(band.Size(2), 1, 64);
                next = row + (int)band.Size(2);
            }
        );
        Assert.Equal(333, next);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(13)]
    public void A_stride_that_leaves_gaps_or_does_not_move_is_refused(int stride) =>
        Assert.Contains(
            $"the stride {stride} must be from 1 to 12",
            Assert.Throws<ArgumentException>(() => new SlidingWindow((12, 12), (stride, 12)).Windows(30, 30)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Scores_of_a_window_may_have_any_resolution()
    {
        using var scope = Torch.Scope();
        var image = Torch.Randn([1, 2, 32, 32]);
        var scores = new SlidingWindow((16, 16), (16, 16)).Scores(image, window => window.AvgPool2d(4, 4));
        Assert.Equal(image.Shape, scores.Shape);
        Near.Equal(
            image.Slice(2, 0, 16).Slice(3, 0, 16).AvgPool2d(4, 4).UpsampleBilinear2d((16, 16), false),
            scores.Slice(2, 0, 16).Slice(3, 0, 16)
        );
    }

    [Fact]
    public void Padding_to_a_multiple_is_cut_off_again()
    {
        using var scope = Torch.Scope();
        var (image, seen) = (Torch.Randn([1, 2, 37, 64]), new List<Shape>());
        var scores = WholeImage.Scores(
            image,
            padded =>
            {
                seen.Add(padded.Shape);
                return padded;
            },
            32
        );
        Assert.Equal([new Shape(1, 2, 64, 64)], seen);
        Near.Identical(image, scores);
    }

    [Fact]
    public void Several_scales_and_mirror_images_average_probabilities()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (image, network) = (Torch.Randn([1, 2, 12, 16]), Network());
        var seen = new List<Shape>();
        var mean = new MultiScale([0.5, 1.25]).Probabilities(image, view =>
        {
            seen.Add(view.Shape);
            return network(view);
        });
        Assert.Equal([(6, 8), (6, 8), (15, 20), (15, 20)], seen.Select(shape => (shape[2], shape[3])));
        Near.Equal(mean.Sum([1]), Torch.Ones([1, 12, 16]), 1e-5);
        // The mirror image of an image has the mirror image of its probabilities.
        Near.Equal(mean.Flip(3), new MultiScale([0.5, 1.25]).Probabilities(image.Flip(3), network), 1e-5);
        Near.Equal(network(image).Softmax(1), new MultiScale([1], Flip: false).Probabilities(image, network), 1e-6);
        Assert.Throws<ArgumentException>(() => new MultiScale([]));
    }

    [Fact]
    [Trait("Category", "Long")]
    public void An_image_of_12000_x_9000_with_19_classes_needs_a_band_of_its_scores()
    {
        using var scope = Torch.Scope();
        long largest = 0;
        var classes = new SlidingWindow((512, 512), (341, 341)).Classes(9000, 12000, window =>
        {
            largest = Math.Max(largest, Resident());
            // The class of a pixel is its column over 700.
            var columns = Torch.Arange(window.Left, window.Right, 1, DType.Float32).FloorDivide(700).To(DType.Int64);
            return columns.OneHot(19).To(DType.Float32).Permute(1, 0).Unsqueeze(0).Unsqueeze(2).Expand([1, 19, window.Height, -1]);
        });
        Near.Identical(Torch.Arange(12000, dtype: DType.Float32).FloorDivide(700).To(DType.UInt8), classes.Select(0, 8999).Contiguous());
        Assert.InRange(largest, 0, 2L << 30);
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
