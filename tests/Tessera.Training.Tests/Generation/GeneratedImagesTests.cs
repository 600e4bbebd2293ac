using Tessera.Models.Measurement;
using Tessera.Training.Tasks.Generation;

namespace Tessera.Training.Tests.Generation;

/// <summary>Images by their numbers, between each other, and in pictures.</summary>
[Collection("engine")]
public sealed class GeneratedImagesTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static Painter Model(double noise = 0.1)
    {
        Torch.Seed(7);
        return new(6, 3, 8, noise);
    }

    [Fact]
    public void An_image_depends_on_seed_and_number_alone()
    {
        var model = Model();
        var images = new GeneratedImages(model, 5);
        var third = images.Image(3).ToBytes();
        Torch.Seed(999);
        foreach (var number in (long[])[9, 0, 3])
            _ = images.Image(number);
        Assert.Equal(third, images.Image(3).ToBytes());
        Assert.Equal(third, new GeneratedImages(model, 5).Image(3).ToBytes());
        Assert.NotEqual(third, new GeneratedImages(model, 6).Image(3).ToBytes());
        Assert.NotEqual(third, images.Image(4).ToBytes());
        Assert.Equal([1, 3, 8, 8], images.Image(0).Shape.ToArray());
        var values = images.Image(0);
        Assert.True(values.Min().ToDouble() >= 0 && values.Max().ToDouble() <= 1);
    }

    [Fact]
    public void Many_at_once_are_the_same_images_where_the_model_adds_no_noise()
    {
        var images = new GeneratedImages(Model(noise: 0), 5);
        var batch = images.Batch([4, 2, 8]);
        foreach (var (row, number) in new[] { 4L, 2, 8 }.Index())
            Assert.Equal(0, (batch.Narrow(0, row, 1) - images.Image(number)).Abs().Max().ToDouble(), 1e-6);
    }

    [Fact]
    public void Vectors_are_normal()
    {
        var images = new GeneratedImages(Model());
        var all = Torch.Cat([.. Enumerable.Range(0, 2000).Select(number => images.Vector(number))], 0);
        Assert.All(all.Mean(0).ToArray<float>(), mean => Assert.InRange(mean, -0.1, 0.1));
        Assert.All(all.Std(0).ToArray<float>(), deviation => Assert.InRange(deviation, 0.93, 1.07));
    }

    [Fact]
    public void Nothing_is_drawn_from_a_training_and_its_mode_stays()
    {
        var model = Model();
        model.Train();
        Torch.Seed(11);
        var expected = Torch.Randn([4]).ToBytes();
        Torch.Seed(11);
        var images = new GeneratedImages(model, 1, 0.5);
        _ = images.Image(0);
        _ = images.Batch([1, 2]);
        _ = LatentArc.Between(images, 0, 1, 3).ToArray();
        _ = ModelCost.Count(model);
        Assert.True(model.Training);
        Assert.Equal(expected, Torch.Randn([4]).ToBytes());
    }

    [Fact]
    public void Truncation_draws_styles_to_their_mean()
    {
        var model = Model(noise: 0);
        var (plain, half, none) = (new GeneratedImages(model), new GeneratedImages(model, 0, 0.5), new GeneratedImages(model, 0, 0));
        double Spread(GeneratedImages images) =>
            Torch.Cat([.. Enumerable.Range(0, 32).Select(number => images.Image(number))], 0).Std(0).Mean().ToDouble();
        Assert.Equal(0, Spread(none), 1e-6);
        Assert.InRange(Spread(half), 0.2 * Spread(plain), 0.9 * Spread(plain));
        // The styles are linear in the vectors: their mean is close to the style of the mean vector, zero.
        var mean = model.ImagesOf(model.Styles(Torch.Zeros([1, 6])));
        Assert.Equal(0, (none.Image(5) - mean).Abs().Max().ToDouble(), 0.02);
        Assert.Equal(plain.Image(2).ToBytes(), new GeneratedImages(model, 0, 1).Image(2).ToBytes());
        Assert.Throws<ArgumentOutOfRangeException>(() => new GeneratedImages(model, 0, 1.5));
    }

    [Fact]
    public void A_row_begins_and_ends_with_two_images_and_its_vectors_keep_their_length()
    {
        var images = new GeneratedImages(Model(noise: 0), 2);
        var row = LatentArc.Between(images, 1, 6, 5).ToArray();
        Assert.Equal(5, row.Length);
        Assert.Equal(0, (row[0] - images.Image(1)).Abs().Max().ToDouble(), 1e-6);
        Assert.Equal(0, (row[^1] - images.Image(6)).Abs().Max().ToDouble(), 1e-6);
        float[] x = [2, 0, 0],
            y = [0, 2, 0];
        var middle = LatentArc.Vector(x, y, 0.5).ToArray<float>();
        Assert.Equal(Math.Sqrt(2), middle[0], 1e-5);
        Assert.Equal(middle[0], middle[1], 1e-6);
        // No arc between vectors that point the same way.
        Assert.Equal([2.5f, 0, 0], LatentArc.Vector(x, [3, 0, 0], 0.5).ToArray<float>());
        Assert.Throws<ArgumentOutOfRangeException>(() => LatentArc.Between(images, 0, 1, 1));
    }

    [Fact]
    public void A_grid_shows_its_images_row_by_row()
    {
        using var folder = new Testing.TempFolder();
        var tones = new[] { 0.0, 0.25, 0.5, 0.75, 1 }.Select(tone => Torch.Full([1, 1, 2, 3], tone)).ToArray();
        var path = folder.Write("grid.png", ImageGrid.Png(tones, 2));
        using var image = Image.Open(path);
        var raster = new Raster();
        var data = new GivenImage(image, 1, new([0], [1]));
        data.Read(0, raster);
        // Three rows and two columns with a gap of 2 around each.
        Assert.Equal((3 * 4 + 2, 2 * 5 + 2), (raster.Height, raster.Width));
        var pixels = raster.ToInterleaved().ToArray();
        foreach (var (i, tone) in new byte[] { 0, 64, 128, 191, 255 }.Index())
            Assert.Equal(tone, pixels[(2 + i / 2 * 4) * raster.Width + 2 + i % 2 * 5]);
        Assert.Equal(255, pixels[0]);
        Assert.Throws<ArgumentException>(() => ImageGrid.Png(Torch.Zeros([1, 2, 4, 4])));
        Assert.Throws<ArgumentException>(() => ImageGrid.Png([Torch.Zeros([1, 1, 4, 4]), Torch.Zeros([1, 3, 4, 4])]));
    }
}
