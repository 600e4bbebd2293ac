using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Data.Formats;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Testing;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tests;

/// <summary>The label maps of a data set on the page of a check.</summary>
public sealed class DataCheckMapsTests
{
    private static readonly DatasetKind kind = new(
        "maps_on_a_page",
        "images with label maps, for tests",
        ["train", "val"],
        "maps_on_a_page",
        (split, root) =>
        {
            string[] images = [.. Directory.EnumerateFiles(Path.Combine(root!, split), "*.png").Order(StringComparer.Ordinal)];
            string[] maps = [.. images.Select(path => Path.ChangeExtension(path, ".map"))];
            return new FileImages(
                "maps_on_a_page",
                split,
                images,
                new LabelMaps(["<sky>", "road", "tree"], maps, LabelRule.Plain(3), LabelFile.Read)
                {
                    Palette = [(1, 2, 3), (250, 0, 0), (0, 250, 0)],
                }
            );
        }
    )
    {
        SplitsIn = root => [.. Directory.EnumerateDirectories(root).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)],
    };

    static DataCheckMapsTests() => Datasets.Add(kind);

    private static void Sample(TempFolder folder, string name, byte grey, params byte[] ids)
    {
        folder.Write($"{name}.png", Png.Encode([.. Enumerable.Range(0, ids.Length).Select(i => (byte)(grey + i))], 2, ids.Length / 2, 1));
        folder.Write($"{name}.map", Png.Encode(ids, 2, ids.Length / 2, 1));
    }

    private static string Render(TempFolder folder, CheckOptions? options = null)
    {
        var opened = OpenedSplits.Open(kind.Name, folder.Path);
        return DataCheckPage.Render(DatasetCheck.Run(opened, options), opened);
    }

    [Fact]
    public void It_has_a_table_of_the_classes_and_samples_under_their_maps_with_a_legend()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/a", 10, 0, 0, 0, 1, 1, 255);
        Sample(folder, "train/b", 20, 0, 0, 0, 0, 0, 0);
        Sample(folder, "val/c", 30, 2, 2, 2, 2, 1, 1);
        var page = Render(folder);
        Assert.DoesNotContain("<sky>", page, StringComparison.Ordinal);
        // Shares are those of the pixels that count: 9 and 2 of 11.
        Assert.Matches(
            @"<td>&lt;sky&gt;</td><td class=""number"">9</td><td class=""number"">81.82.%</td><td class=""number"">2</td>",
            page
        );
        Assert.Matches(@"<td>ignored</td><td class=""number"">1</td><td class=""number"">8.33.%</td>", page);
        Assert.Contains("Images per class", page, StringComparison.Ordinal);
        var samples = page[page.IndexOf("<h2>Label maps of train</h2>", StringComparison.Ordinal)..];
        samples = samples[..samples.IndexOf("</section>", StringComparison.Ordinal)];
        // The image with most of the rarest class that occurs comes first; a class that is in no picture is not in the legend.
        Assert.True(samples.IndexOf("a.png", StringComparison.Ordinal) < samples.IndexOf("b.png</small>", StringComparison.Ordinal));
        Assert.Equal(4, samples.Split("data:image/png;base64,").Length - 1);
        Assert.Contains("background:rgb(250,0,0)\"></i>road", samples, StringComparison.Ordinal);
        Assert.DoesNotContain("tree", samples, StringComparison.Ordinal);
        // Without decoding there is nothing to show.
        Assert.DoesNotContain("Label maps of", Render(folder, new(Quick: true)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_map_that_does_not_fit_its_image_does_not_break_the_page()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/a", 10, 0, 1, 2, 0, 1, 2);
        folder.Write("train/a.map", Png.Encode([0, 1, 2, 7, 1, 2], 3, 2, 1));
        Assert.Contains(
            "values 7 (1 pixel)",
            Render(folder).Replace("value 7", "values 7", StringComparison.Ordinal),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_tint_is_more_than_half_of_the_color_and_ignored_pixels_have_none()
    {
        var image = new Raster(1, 1, 3);
        (image.Values[0], image.Values[1], image.Values[2]) = (100, 100, 100);
        var map = new LabelMap([0, 255, 1], new(1, 3));
        var tinted = MapOverlay.Of(image, map, [(200, 0, 100), (0, 0, 0)]);
        Assert.Equal([155, 100, 45, 45, 100, 45, 100, 100, 45], tinted.Values.ToArray());
        // Enlarged, each pixel of the picture has the class under its centre; what is added is white.
        var larger = MapOverlay.Of(image, map, [(200, 0, 100), (0, 0, 0)], 2, 1, 7);
        Assert.Equal((3, 7), (larger.Height, larger.Width));
        Assert.Equal([155, 155, 100, 100, 45, 45, 255], larger.Row(0, 1).ToArray());
        Assert.Equal([255, 255, 255, 255, 255, 255, 255], larger.Row(0, 2).ToArray());
    }
}
