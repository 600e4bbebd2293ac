using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Testing;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tests;

/// <summary>The objects of a data set on the page of a check.</summary>
public sealed class DataCheckBoxesTests
{
    private static readonly string[] names = ["<cat>", "dog", "owl"];

    // Grey images of 60 columns and 40 rows; the objects go by the name of the file.
    private static readonly DatasetKind kind = new(
        "boxes_on_a_page",
        "images with boxes, for tests",
        ["train", "val"],
        "boxes_on_a_page",
        (split, root) =>
        {
            string[] images = [.. Directory.EnumerateFiles(Path.Combine(root!, split), "*.png").Order(StringComparer.Ordinal)];
            return new FileImages(
                "boxes_on_a_page",
                split,
                images,
                new ObjectBoxes(names, [.. images.Select(path => Objects(Path.GetFileNameWithoutExtension(path)))])
            );
        }
    )
    {
        SplitsIn = root => [.. Directory.EnumerateDirectories(root).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)],
    };

    static DataCheckBoxesTests() => Datasets.Add(kind);

    private static ImageObject[] Objects(string name) =>
        name switch
        {
            "many" => [.. Enumerable.Range(0, 7).Select(i => new ImageObject(new(i * 8, 2, i * 8 + 6, 30), 0, i))],
            "twice" => [new(new(10, 10, 50, 30), 1, 1), new(new(10, 10, 50, 30), 1, 2)],
            "crowd" => [new(new(0, 0, 60, 40), 2, 1, IsCrowd: true)],
            _ => [],
        };

    private static string Render(TempFolder folder, params string[] images)
    {
        foreach (var (i, image) in images.Index())
            folder.Write($"{image}.png", Png.Encode([.. Enumerable.Repeat((byte)(10 + i), 2400)], 40, 60, 1));
        var opened = OpenedSplits.Open(kind.Name, folder.Path);
        return DataCheckPage.Render(DatasetCheck.Run(opened), opened);
    }

    private static string Section(string page, string title)
    {
        var start = page.IndexOf($"<h2>{title}</h2>", StringComparison.Ordinal);
        Assert.True(start >= 0, $"no section '{title}'");
        return page[start..page.IndexOf("</section>", start, StringComparison.Ordinal)];
    }

    [Fact]
    public void It_has_tables_charts_and_samples_under_their_boxes()
    {
        using var folder = new TempFolder();
        var page = Render(folder, "train/many", "train/none", "train/twice", "val/crowd", "val/many");
        Assert.DoesNotContain("<cat>", page, StringComparison.Ordinal);
        var table = Section(page, "Objects of each class");
        Assert.Matches(
            @"<td>&lt;cat&gt;</td>(<td class=""number"">7</td><td class=""number"">1</td><td class=""number"">7</td>"
                + @"<td class=""number"">0</td><td class=""number"">0</td>){2}</tr>",
            table
        );
        Assert.Matches(@"<td>all</td><td class=""number"">9</td><td class=""number"">2</td>", table);
        var charts = Section(page, "Objects and images");
        Assert.Contains("6 to 10", charts, StringComparison.Ordinal);
        Assert.DoesNotContain("11 to 20", charts, StringComparison.Ordinal);
        var samples = Section(page, "Boxes of train");
        // The image with most of the rarest class comes first; every image is there once.
        string[] shown = ["twice.png", "many.png", "none.png"];
        Assert.Equal(shown, shown.OrderBy(name => samples.IndexOf(name, StringComparison.Ordinal)));
        Assert.Equal(3, samples.Split("<figure>").Length - 1);
        Assert.Contains("&lt;cat&gt;</span>", samples, StringComparison.Ordinal);
        Assert.DoesNotContain("owl</span>", samples, StringComparison.Ordinal);
        Assert.Contains("7 objects", samples, StringComparison.Ordinal);
        Assert.Contains("twice.png: train: a box that is there twice: dog", Section(page, "Boxes to look at"), StringComparison.Ordinal);
        Assert.Contains("Images per class", page, StringComparison.Ordinal);
        Assert.Contains("<th class=\"number\">images without</th>", Section(page, "Splits"), StringComparison.Ordinal);
        Assert.DoesNotContain("Samples of train", page, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_cannot_be_read_does_not_break_the_page()
    {
        using var folder = new TempFolder();
        folder.Write("train/twice.png", [1, 2, 3]);
        var page = Render(folder, "train/many");
        Assert.Contains("1 of 2 images cannot be read", page, StringComparison.Ordinal);
        Assert.Equal(1, Section(page, "Boxes of train").Split("<figure>").Length - 1);
    }

    [Fact]
    public void Boxes_are_drawn_where_they_are_with_masks_inside_and_words_that_can_be_read()
    {
        var image = new Raster(1, 50, 100);
        image.Values.Fill(100);
        var bitmap = new byte[200 * 100];
        for (var y = 40; y < 60; y++)
            bitmap.AsSpan(y * 200)[100..140].Fill(1);
        (byte, byte, byte) red = (255, 0, 0);
        // The original is twice as large as the image, and the picture as large as the original.
        var drawn = ObjectOverlay.Of(
            image,
            new(100, 200),
            [
                new(new(20, 30, 60, 80), "", red),
                new(new(100, 40, 140, 60), "", (0, 255, 0), Mask: InstanceMask.FromBitmap(new(100, 200), bitmap)),
            ],
            2
        );
        Assert.Equal((3, 100, 200), (drawn.Channels, drawn.Height, drawn.Width));
        foreach (
            var (x, y, isLine) in new[]
            {
                (20, 30, true),
                (59, 79, true),
                (21, 50, true),
                (40, 31, true),
                (22, 50, false),
                (40, 50, false),
                (60, 50, false),
                (19, 30, false),
            }
        )
            Assert.Equal(isLine ? 255 : 100, drawn.Row(0, y)[x]);
        Assert.Equal((55, 170), (drawn.Row(0, 50)[120], drawn.Row(1, 50)[120]));
        Assert.Equal(100, drawn.Row(0, 50)[150]);
        // A broken line has gaps; words stand on their color, inside of the picture; a box that is far larger has no line in it.
        var crowd = ObjectOverlay.Of(
            image,
            new(50, 100),
            [new(new(10, 20, 70, 40), "", red, IsDashed: true), new(new(-500, -40, 1e9, 1e9), "", red), new(new(90, 0, 100, 9), "owl", red)]
        );
        Assert.Equal([0, 100], crowd.Row(1, 20)[10..70].ToArray().Distinct().Order().Select(value => (int)value));
        Assert.Equal([100], crowd.Row(1, 49).ToArray().Distinct().Select(value => (int)value));
        var corner = Enumerable.Range(0, 12).SelectMany(y => crowd.Row(0, y)[80..].ToArray()).ToArray();
        Assert.True(corner.Count(value => value == 255) > 100);
    }

    [Fact]
    public void Classes_have_different_bright_colors()
    {
        var colors = Enumerable.Range(0, 80).Select(ObjectOverlay.ColorOf).ToArray();
        Assert.Equal(80, colors.Distinct().Count());
        Assert.All(colors, color => Assert.Equal(255, Math.Max(color.R, Math.Max(color.G, color.B))));
    }
}
