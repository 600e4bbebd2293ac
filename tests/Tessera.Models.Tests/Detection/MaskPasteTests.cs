using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Models.Detection;

public sealed class MaskPasteTests : LiveTensors
{
    // Inside, over the edges, a pixel wide, larger than the image, outside, and over the whole image.
    private static readonly float[] boxes =
    [
        3.2f,
        4.1f,
        20.7f,
        15.3f,
        -4.5f,
        -3.25f,
        12,
        9.5f,
        21.25f,
        18.75f,
        50,
        60,
        7,
        7,
        8,
        8,
        -30,
        -40,
        90,
        70,
        100,
        100,
        130,
        120,
        0,
        0,
        31,
        23,
        10.5f,
        -5,
        12.25f,
        40,
    ];

    private static (Tensor Masks, Tensor Boxes) Given(int size)
    {
        Torch.Seed((ulong)size);
        return (Torch.Rand([boxes.Length / 4, size, size]), Tensor.From(boxes).Reshape(-1, 4));
    }

    // The formula of the published detectors, by the engine's sampler.
    private static Tensor Expected(Tensor masks, Tensor boxes, int height, int width)
    {
        var (x, y) = (Torch.Arange(width) + 0.5, Torch.Arange(height) + 0.5);
        Tensor Share(Tensor at, int low) =>
            (at - boxes.Select(1, low).Unsqueeze(1)) / (boxes.Select(1, low + 2) - boxes.Select(1, low)).Unsqueeze(1) * 2 - 1;
        var (gx, gy) = (Share(x, 0), Share(y, 1));
        var grid = Torch.Stack([gx.Unsqueeze(1).Expand([-1, height, -1]), gy.Unsqueeze(2).Expand([-1, -1, width])], 3);
        return Torch.GridSampler2d(masks.Unsqueeze(1), grid, 0, 0, false).Squeeze(1);
    }

    private static byte[] Bitmap(int[] runs, int height, int width)
    {
        Assert.Equal(height * width, runs.Sum());
        Assert.All(runs[1..], length => Assert.True(length > 0));
        var columns = runs.SelectMany((length, i) => Enumerable.Repeat((byte)(i % 2), length)).ToArray();
        return [.. Enumerable.Range(0, height).SelectMany(y => Enumerable.Range(0, width).Select(x => columns[x * height + y]))];
    }

    [Theory]
    [InlineData(14)]
    [InlineData(28)]
    [InlineData(1)]
    public void Probabilities_are_those_of_the_engines_sampler_and_runs_where_they_reach_the_threshold(int size)
    {
        using var scope = Torch.Scope();
        var (masks, corners) = Given(size);
        foreach (var (height, width) in ((int, int)[])[(24, 32), (1, 1), (5, 40)])
        {
            var values = MaskPaste.Probabilities(masks, corners, height, width);
            Near.Equal(Expected(masks, corners, height, width), values, 1e-5);
            foreach (var threshold in (double[])[0.5, 0.25, 1e-6, 2])
            {
                var runs = MaskPaste.Runs(masks, corners, height, width, threshold);
                for (var n = 0; n < runs.Count; n++)
                    Assert.Equal(
                        values[n].Contiguous().ToArray<float>().Select(value => (byte)(value >= (float)threshold ? 1 : 0)),
                        Bitmap(runs[n], height, width)
                    );
            }
        }
    }

    [Fact]
    public void A_full_mask_fills_its_box()
    {
        using var scope = Torch.Scope();
        var masks = Torch.Ones([4, 28, 28]);
        var corners = Tensor.From([2f, 1, 4, 3, 0, 0, 5, 4, 3, 0, 5, 4, 0, 2, 5, 4]).Reshape(-1, 4);
        var runs = MaskPaste.Runs(masks, corners, 4, 5);
        Assert.Equal([9, 2, 2, 2, 5], runs[0]);
        Assert.Equal([0, 20], runs[1]);
        Assert.Equal([12, 8], runs[2]);
        Assert.Equal([2, 2, 2, 2, 2, 2, 2, 2, 2, 2], runs[3]);
    }

    [Fact]
    public void Boxes_without_width_or_that_are_no_numbers_set_nothing()
    {
        using var scope = Torch.Scope();
        var corners = Tensor.From([2f, 1, 2, 3, float.NaN, 0, 5, 4, float.PositiveInfinity, 0, float.PositiveInfinity, 4]).Reshape(-1, 4);
        Assert.All(MaskPaste.Runs(Torch.Ones([3, 28, 28]), corners, 4, 5), runs => Assert.Equal([20], runs));
        Assert.Empty(MaskPaste.Runs(Torch.Zeros([0, 28, 28]), Torch.Zeros([0, 4]), 4, 5));
        Assert.Equal(new Shape(0, 4, 5), MaskPaste.Probabilities(Torch.Zeros([0, 28, 28]), Torch.Zeros([0, 4]), 4, 5).Shape);
    }

    [Fact]
    public void A_hundred_masks_on_twelve_megapixels_allocate_their_runs_alone()
    {
        using var scope = Torch.Scope();
        Torch.Seed(9);
        var corner = Torch.Rand([100, 2]) * Tensor.From([2000f, 1500]);
        var corners = Torch.Cat([corner, corner + Torch.Rand([100, 2]) * 1500 + 10], 1);
        // A hill in the middle of each box.
        var bump = (Torch.Arange(28, dtype: DType.Float32) - 13.5).Square() * -0.02;
        var masks = (bump.Unsqueeze(0) + bump.Unsqueeze(1)).Exp().Expand([100, 28, 28]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var (one, two) = (MaskPaste.Runs(masks, corners, 3000, 4000), MaskPaste.Runs(masks.Contiguous(), corners, 3000, 4000));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000_000);
        Assert.Equal(one, two);
        Assert.All(one, runs => Assert.InRange(runs.Length, 3, 3003));
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_named()
    {
        using var scope = Torch.Scope();
        var (masks, corners) = Given(14);
        void Refused(Func<object> call, string words) =>
            Assert.Contains(words, Assert.Throws<ShapeException>(call).Message, StringComparison.Ordinal);
        Refused(() => MaskPaste.Runs(masks[0], corners, 4, 5), "the masks have to be [n, size, size]");
        Refused(() => MaskPaste.Runs(masks.Slice(2, 1), corners, 4, 5), "the masks have to be [n, size, size]");
        Refused(() => MaskPaste.Runs(masks, corners.Slice(0, 1), 4, 5), "the boxes have to be [8, 4]");
        Refused(() => MaskPaste.Probabilities(masks, corners, 0, 5), "0 x 5");
        Refused(() => MaskPaste.Runs(masks, corners, 100_000, 100_000), "more pixels");
        Assert.Throws<TorchValueException>(() => MaskPaste.Runs(masks, corners, 4, 5, 0));
    }
}
