using System.Xml.Linq;
using Tessera.Data.Checks;
using Tessera.Testing;

namespace Tessera.Training.Tests;

public sealed class DataCheckPageTests
{
    private static void Write(TempFolder folder, string name, int value, int width = 8, int height = 8) =>
        folder.Write(name, Pnm.Grey(value, width, height));

    private static string Render(TempFolder folder)
    {
        var opened = OpenedSplits.Open("image_folder", folder.Path);
        return DataCheckPage.Render(DatasetCheck.Run(opened), opened);
    }

    private static XElement[] Drawings(string page) =>
        [
            .. page.Split("<svg")
                .Skip(1)
                .Select(part => XElement.Parse($"<svg{part[..(part.IndexOf("</svg>", StringComparison.Ordinal) + "</svg>".Length)]}")),
        ];

    [Fact]
    public void It_shows_balance_sizes_repeated_images_and_samples_of_each_class()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 6; i++)
            Write(folder, $"train/<b>a/{i}.pgm", i);
        Write(folder, "train/c/7.pgm", 7, 300, 20);
        Write(folder, "test/c/8.pgm", 7, 300, 20);
        folder.Write("test/c/bad.png", "no image");
        var page = Render(folder);
        Assert.DoesNotContain("<b>a", page, StringComparison.Ordinal);
        Assert.Contains("&lt;b&gt;a", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
        Assert.Contains("Images that are there several times", page, StringComparison.Ordinal);
        Assert.Contains("bad.png", page, StringComparison.Ordinal);
        var drawings = Drawings(page);
        Assert.Equal(2, drawings.Length);
        // A circle for each size of each split; a count for each class of each split, though test does not list the first.
        Assert.Equal(3, drawings[1].Descendants("circle").Count());
        Assert.Equal(
            ["6", "not listed", "1", "2"],
            drawings[0].Elements("text").Where(text => (string?)text.Attribute("class") == "value").Select(text => text.Value)
        );
        // Two of the repeated image, five extremes of train, four samples of one class and one of the other.
        Assert.Equal(2 + 5 + 4 + 1, page.Split("data:image/png;base64,").Length - 1);
    }

    [Fact]
    public void Of_many_classes_both_ends_are_drawn()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 70; i++)
        for (var j = 0; j <= i / 10; j++)
            Write(folder, $"c{i:00}/{j}.pgm", i, 4 + j, 3 + i);
        var drawings = Drawings(Render(folder));
        Assert.Equal(3, drawings.Length);
        var names = drawings
            .Take(2)
            .SelectMany(svg => svg.Elements("text"))
            .Where(text => (string?)text.Attribute("class") == "tick")
            .ToArray();
        Assert.Equal(60, names.Length);
        Assert.Equal("c09", names[^1].Value);
    }
}
