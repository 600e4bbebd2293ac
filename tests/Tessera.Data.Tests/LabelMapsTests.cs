using Tessera.Data.Formats;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>What belongs to label maps follows them to other samples and other numbers of classes.</summary>
public sealed class LabelMapsTests
{
    private static readonly (byte, byte, byte)[] colors = [(1, 1, 1), (2, 2, 2), (3, 3, 3)];

    private static LabelMaps Maps() =>
        new(["hat", "left", "right"], ["a.png", "b.png"], LabelRule.Plain(3), (path, rule) =>
            new([(byte)rule.ClassOf(path[0] - 'a'), 2, LabelMap.Ignored, 0], new(2, 2))
        )
        {
            Palette = colors,
            FlipPairs = [(1, 2)],
        };

    [Fact]
    public void A_part_has_the_files_of_its_samples()
    {
        var part = Maps().Part([1]);
        Assert.Equal("b.png", part.MapFile(0));
        Assert.Equal([1, 2, 255, 0], part[0].Ids);
        Assert.Equal(colors, part.Palette);
        Assert.Equal([(1, 2)], part.FlipPairs);
        Assert.Equal(2, part.Rule!.ClassOf(2));
        Assert.Null(new LabelMaps(["a", "b"], 1, _ => new([0], new(1, 1))).MapFile(0));
    }

    [Fact]
    public void Colours_pairs_and_values_follow_the_numbers_of_a_model()
    {
        var mapped = Maps().Renumbered(new(["hat", "left", "right"], ["right", "glove", "left", "hat"]));
        Assert.Equal([3, 0, 255, 3], mapped[0].Ids);
        Assert.Equal([(2, 0)], mapped.FlipPairs);
        Assert.Equal([3, 2, 0, 255, -1], ((int[])[0, 1, 2, 255, 3]).Select(mapped.Rule!.ClassOf));
        Assert.Equal([colors[2], colors[1], colors[0]], ((int[])[0, 2, 3]).Select(id => mapped.Palette![id]));
        // The class that the data lacks has a colour of its own.
        Assert.Equal(4, mapped.Palette!.Distinct().Count());
        Assert.Equal("b.png", mapped.MapFile(1));
    }

    [Fact]
    public void A_pair_goes_with_a_class_that_the_model_lacks()
    {
        var mapped = Maps().Renumbered(new(["hat", "left", "right"], ["hat", "left"]));
        Assert.Empty(mapped.FlipPairs);
        Assert.Equal(LabelRule.Unknown, mapped.Rule!.ClassOf(2));
        Assert.Equal(2, mapped.Palette!.Count);
        Assert.Equal(
            "a.png: its label map has pixels of class right, which the model does not know",
            Assert.Throws<DataException>(() => mapped[0]).Message
        );
    }

    [Fact]
    public void Colours_and_pairs_that_fit_no_class_are_refused()
    {
        LabelMaps With((byte, byte, byte)[] palette, params (int, int)[] pairs) =>
            new(["a", "b"], 1, _ => new([0], new(1, 1))) { Palette = palette, FlipPairs = pairs };
        Assert.Throws<ArgumentException>(() => With([(1, 2, 3)]));
        Assert.Throws<ArgumentException>(() => With([(1, 2, 3), (1, 2, 4)], (0, 2)));
        Assert.Throws<ArgumentException>(() => With([(1, 2, 3), (1, 2, 4)], (0, 1), (1, 0)));
    }

    [Fact]
    public void Colours_of_pascal_voc_come_from_the_number()
    {
        Assert.Equal([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)], LabelPalette.Of(5));
        Assert.Equal((224, 224, 192), LabelPalette.Color(255));
        Assert.Equal(256, LabelPalette.Of(256).Distinct().Count());
    }

    [Fact]
    public void A_map_of_another_size_than_its_image_is_named()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        var map = folder.Write("a.png", ImageBytes.Png(2, 4, 0, 8, new ushort[8]));
        var maps = new LabelMaps(["a", "b"], [map], LabelRule.Plain(2), LabelFile.Read);
        var set = new Images.MemoryImages("set", "train", maps, new byte[64], 1, 8, 8);
        Assert.Equal(
            $"{map}: its label map is 2x4 and its image 8x8; they must be equal",
            Assert.Throws<DataException>(() => new Loading.Loader(set, new([]), new(1) { Workers = 0 }).Epoch(0).Single()).Message
        );
    }
}
