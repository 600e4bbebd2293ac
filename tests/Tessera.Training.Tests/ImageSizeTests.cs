using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Testing;
using Tessera.Training.Experiments;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Classification;

namespace Tessera.Training.Tests;

/// <summary>Image files of many pixels.</summary>
public sealed class ImageSizeTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Images_of_more_than_max_pixels_are_unreadable_in_every_split()
    {
        for (var i = 0; i < 10; i++)
            foreach (var label in new[] { "a", "b" })
                folder.Write($"train/{label}/{i}.png", Png.Encode(new byte[6], 2, 3, 1));
        foreach (var split in new[] { "train", "minitrain", "minival" })
        {
            var recipe = new DataRecipe("image_folder", Root: folder.Path, MaxPixels: 6);
            var image = new Raster();
            ((ImageDataset)recipe.Open(split)).Read(0, image);
            Assert.Equal((2, 3), (image.Height, image.Width));
            var error = Assert.Throws<UnreadableImageException>(() =>
                ((ImageDataset)(recipe with { MaxPixels = 5 }).Open(split)).Read(0, image)
            );
            Assert.Equal("3x2 pixels: more than 5 (data.max_pixels)", error.Problem);
        }
    }

    [Fact]
    public void A_recipe_says_how_many_pixels_an_image_may_have()
    {
        static DataRecipe Data(string options) =>
            Recipe
                .Parse(
                    $$"""
                    model: { name: cct_7_3x1_32 }
                    data: { name: image_folder, root: images{{options}} }
                    augment: [ random_horizontal_flip ]
                    objective: { name: supervised }
                    optimizer: { name: adamw, lr: 1e-3 }
                    schedule: { name: cosine, epochs: 1 }
                    train: { seed: 7 }
                    """,
                    "r.yaml",
                    []
                )
                .Data;
        Assert.Equal(178_956_970, Data("").MaxPixels);
        Assert.Equal(1000, Data(", max_pixels: 1000").MaxPixels);
        Assert.Contains("max_pixels", Assert.ThrowsAny<Exception>(() => Data(", max_pixels: 0")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prediction_holds_no_large_image_whole()
    {
        const int side = 3000;
        var file = folder.Write("large.png", Png.Encode(new byte[side * side], side, side, 1));
        var facts = new ImageFacts(["a", "b"], 3, 32, 32, [0.5f, 0.5f, 0.5f], [1, 1, 1]);
        var sample = new ClassificationTask().Read([file], facts, new([new EvaluationCrop(32)])).Single();
        sample.Read().Inputs.Dispose();
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var inputs = sample.Read().Inputs;
        Assert.Equal("[1, 3, 32, 32]", inputs.Shape.ToString());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, side * side);
    }
}
