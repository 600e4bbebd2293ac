using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Explain;

namespace Tessera.Training.Tests;

public class ImageMatchTests
{
    private static readonly Normalization plain = new([0, 0, 0], [1, 1, 1]);

    private static Backbone Transformer() => Registry.Create("vit_micro_patch4_32", new() { Classes = 3 });

    // A bright square of four patches in darkness.
    private static Tensor Square(int top, int left)
    {
        var pixels = new float[3 * 32 * 32];
        for (var c = 0; c < 3; c++)
        for (var y = top; y < top + 8; y++)
        for (var x = left; x < left + 8; x++)
            pixels[(c * 32 + y) * 32 + x] = 1 - 0.2f * c;
        return Tensor.From(pixels, 1, 3, 32, 32);
    }

    [Theory]
    [InlineData("vit_micro_patch4_32", DescriptorPooling.Cls)]
    [InlineData("vit_micro_patch4_32", DescriptorPooling.Gem)]
    [InlineData("resnet18_quarter_small", DescriptorPooling.Auto)]
    public void Two_images_have_a_similarity_maps_and_pairs_within_them(string name, DescriptorPooling pooling)
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var model = Registry.Create(name, new() { Classes = 3, ImageSize = (32, 32) });
        model.Eval();
        var descriptor = new Descriptor(pooling);
        var (first, second) = (Torch.Rand([1, 3, 32, 32]), Torch.Rand([1, 3, 32, 32]));
        var match = ImageMatch.Of(model, descriptor.Of, first, second);
        using var outside = Torch.NoGrad();
        var similarity = (descriptor.Of(model, first) * descriptor.Of(model, second)).Sum().ToDouble();
        Assert.Equal(similarity, match.Similarity, 1e-6);
        Assert.NotNull(match.First);
        Assert.NotNull(match.Second);
        Assert.All(match.First.Values.Concat(match.Second.Values), value => Assert.InRange(value, 0, 1));
        Assert.NotEmpty(match.Pairs);
        Assert.All(match.Pairs, pair =>
        {
            Assert.InRange(pair.Similarity, -1.0001, 1.0001);
            Assert.All((double[])[pair.First.X, pair.First.Y, pair.Second.X, pair.Second.Y], share => Assert.InRange(share, 0, 1));
        });
    }

    [Fact]
    public void An_image_agrees_with_itself_patch_by_patch()
    {
        using var scope = new Scope();
        Torch.Seed(5);
        var model = Transformer();
        model.Eval();
        var image = Torch.Rand([1, 3, 32, 32]);
        var match = ImageMatch.Of(model, new Descriptor(DescriptorPooling.Avg).Of, image, image, most: 64);
        Assert.Equal(1, match.Similarity, 1e-5);
        Assert.Equal(64, match.Pairs.Count);
        Assert.All(match.Pairs, pair => Assert.Equal(pair.First, pair.Second));
        Assert.All(match.Pairs, pair => Assert.Equal(1, pair.Similarity, 1e-5));
    }

    [Fact]
    public void The_page_draws_lines_between_the_patches_and_encodes_names()
    {
        using var scope = new Scope();
        var image = Square(8, 8);
        var seen = ComparedPicture.Of(image, plain, null);
        Assert.Equal((32, 32), (seen.Height, seen.Width));
        var match = new ImageMatch(0.9, null, null, [new((0.25, 0.5), (0.75, 1), 0.8)]);
        var html = SearchPage.Render(
            "photos.index",
            [("model", "a <b>")],
            [
                (
                    new("query.png", seen.Png),
                    [
                        new(new("one & two.png", seen.Png), 0.9, [("folder", "<beach>")], (seen, seen, match)),
                        new(new("gone.png", null), 0.5, [], null),
                    ]
                ),
            ]
        );
        Assert.Contains("a &lt;b&gt;", html, StringComparison.Ordinal);
        Assert.Contains("one &amp; two.png", html, StringComparison.Ordinal);
        Assert.Contains("folder: &lt;beach&gt;", html, StringComparison.Ordinal);
        Assert.Contains("the file can no longer be read", html, StringComparison.Ordinal);
        // Both images are 300 wide, with 40 between them.
        Assert.Contains("M75,150 L565,300", html, StringComparison.Ordinal);
        Assert.Contains("cosine 0.800", html, StringComparison.Ordinal);
        Assert.Contains("Grad-CAM of the similarity", html, StringComparison.Ordinal);
        Assert.DoesNotContain("http", html, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_without_explanations_does_not_speak_of_them()
    {
        var html = SearchPage.Render("photos.index", [], [(new("query.png", null), [])]);
        Assert.Contains("Nothing was found.", html, StringComparison.Ordinal);
        Assert.DoesNotContain("Grad-CAM", html, StringComparison.Ordinal);
    }
}
