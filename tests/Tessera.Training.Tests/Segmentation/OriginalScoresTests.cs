using Tessera.Testing;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

/// <summary>Scores of prepared images at the pixels of their originals.</summary>
[Collection("engine")]
public sealed class OriginalScoresTests
{
    // What comes out of bands of some rows each, put together; NaN where nothing came.
    private static Tensor Whole(Tensor scores, PreparedImage origin, int rows)
    {
        var (height, width) = origin.Original;
        var all = Torch.Full([1, scores.Size(1), height, width], double.NaN);
        var prepared = new ImageSize((int)scores.Size(2), (int)scores.Size(3));
        using (var original = new OriginalScores(origin, prepared, (row, column, band) =>
            {
                Assert.InRange(band.Size(2), 1, 64);
                all.Slice(2, row, row + band.Size(2)).Slice(3, column, column + band.Size(3)).Copy_(band);
            }))
            for (var row = 0; row < prepared.Height; row += rows)
                original.Add(row, scores.Slice(2, row, Math.Min(row + rows, prepared.Height)));
        return all;
    }

    private static PreparedImage Resized(int height, int width) => new(ImageView.Full, ImageView.Full, new(height, width));

    [Theory]
    [InlineData(20, 30, 20, 30, 7)]
    [InlineData(20, 30, 47, 61, 7)]
    [InlineData(20, 30, 47, 61, 1)]
    [InlineData(47, 61, 20, 30, 5)]
    [InlineData(5, 7, 400, 9, 2)]
    [InlineData(400, 9, 5, 7, 64)]
    [InlineData(20, 30, 20, 61, 64)]
    [InlineData(20, 30, 47, 30, 3)]
    [InlineData(1, 1, 6, 5, 1)]
    public void Bands_give_what_resizing_all_scores_gives(int height, int width, int toHeight, int toWidth, int rows)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var scores = Torch.Randn([1, 3, height, width]);
        var expected =
            (height, width) == (toHeight, toWidth) ? scores : scores.UpsampleBilinear2d((toHeight, toWidth), alignCorners: false);
        Near.Equal(expected, Whole(scores, Resized(toHeight, toWidth), rows), 1e-5);
    }

    [Fact]
    public void Padding_is_left_out_before_scores_are_resized()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var scores = Torch.Randn([1, 3, 32, 48]);
        // 24x40 of them are the image, which was 60x80.
        var view = ImageView.Full.Window(0, 0, 32 / 24.0, 48 / 40.0);
        var expected = scores.Slice(2, 0, 24).Slice(3, 0, 40).UpsampleBilinear2d((60, 80), alignCorners: false);
        Near.Equal(expected, Whole(scores, new(view, ImageView.Full, new(60, 80)), 10), 1e-5);
    }

    [Fact]
    public void Parts_that_were_cut_off_get_no_scores()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var scores = Torch.Randn([1, 2, 10, 12]);
        // The middle of 20x20, at its own size.
        var view = ImageView.Full.Window(5 / 20.0, 4 / 20.0, 10 / 20.0, 12 / 20.0);
        var all = Whole(scores, new(view, view, new(20, 20)), 4);
        Near.Equal(scores, all.Slice(2, 5, 15).Slice(3, 4, 16), 1e-5);
        Assert.Equal(2 * (400 - 120), all.Isnan().Sum().ToInt64());
    }

    [Fact]
    public void A_mirror_image_is_mirrored_back()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var scores = Torch.Randn([1, 2, 10, 12]);
        Near.Equal(scores.Flip(3), Whole(scores, new(ImageView.Full.Mirrored, ImageView.Full, new(10, 12)), 3), 1e-5);
        var error = Assert.Throws<RunException>(() => Whole(scores, new(ImageView.Full.Overturned, ImageView.Full, new(10, 12)), 3));
        Assert.Contains("evaluation.transforms turn images upside down", error.Message, StringComparison.Ordinal);
    }
}
