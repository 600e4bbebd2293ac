using Tessera.Data.Images;
using Tessera.Data.Text;

namespace Tessera.Data.Tests;

public class ClassMappingTests
{
    private static Dataset Texts(string[] classes, params int[] labels) =>
        new TextDataset("texts", "test", [.. labels.Select(label => classes[label])], new ClassLabels(classes, labels));

    [Theory]
    [InlineData("a b c", "a b c", "0 1 2")]
    [InlineData("b c", "a b c", "1 2")]
    [InlineData("c a b", "a b c", "2 0 1")]
    [InlineData("b d", "a b c", "1 -1")]
    // Forgiven where one class alone fits; exact names win.
    [InlineData("polar_bear CAT", "cat polar-bear", "1 0")]
    [InlineData("cat Cat", "Cat cat", "1 0")]
    [InlineData("CAT", "Cat cat", "-1")]
    [InlineData("cat CAT", "cat", "0 -1")]
    [InlineData("Cat CAT", "cat", "-1 -1")]
    // The same letter, composed and not.
    [InlineData("cafe\u0301", "caf\u00E9", "0")]
    public void Classes_are_found_by_name(string from, string onto, string numbers)
    {
        var mapping = new ClassMapping(from.Split(' '), onto.Split(' '));
        Assert.Equal(numbers, string.Join(' ', mapping.Numbers));
    }

    [Fact]
    public void Labels_become_the_numbers_of_the_models_classes_whatever_order_the_data_has()
    {
        var data = Texts(["c", "b"], 0, 1, 1, 0);
        var mapped = ClassMapping.Apply(data, ["a", "b", "c", "d"]);
        Assert.Equal([2, 1, 1, 2], ClassLabels.Of(mapped).Labels);
        Assert.Equal(["a", "b", "c", "d"], mapped.ClassNames);
        Assert.Equal([0, 2, 2, 0], mapped.Annotations.SamplesPerClass);
        Assert.Same(data, ClassMapping.Apply(data, ["c", "b"]));
    }

    [Fact]
    public void Samples_of_an_unknown_class_are_refused_by_its_name_and_a_class_without_samples_is_not()
    {
        var error = Assert.Throws<DataException>(() => ClassMapping.Apply(Texts(["a", "zebra"], 0, 1), ["a", "b"]));
        Assert.Equal("texts (test): the model does not know class zebra; its 2 classes are a, b", error.Message);
        Assert.Equal([0, 0], ClassLabels.Of(ClassMapping.Apply(Texts(["a", "zebra"], 0, 0), ["a", "b"])).Labels);
    }

    [Fact]
    public void Every_kind_of_annotations_takes_new_numbers()
    {
        var mapping = new ClassMapping(["x", "y"], ["y", "z", "x"]);
        var several = new MultiLabels(
            ["x", "y"],
            [
                [0, 1],
                [],
                [1],
            ]
        ).Renumbered(mapping);
        Assert.Equal(
            [
                [0, 2],
                [],
                [0],
            ],
            Enumerable.Range(0, 3).Select(i => several[i].ToArray())
        );
        var maps = new LabelMaps(["x", "y"], 1, _ => new([0, 1, LabelMap.Ignored, 0], new(2, 2))).Renumbered(mapping);
        Assert.Equal([2, 0, LabelMap.Ignored, 2], maps[0].Ids);
        var boxes = new ObjectBoxes(
            ["x", "y"],
            [
                [new(new(0, 0, 1, 1), 0), new(new(0, 0, 1, 1), 0)],
                [new(new(0, 0, 2, 2), 1)],
            ]
        );
        var renumbered = boxes.Renumbered(mapping);
        Assert.Equal([2, 2, 0], Enumerable.Range(0, 2).SelectMany(i => renumbered[i].Select(one => one.Class)));
        Assert.Equal([1, 1], boxes.SamplesPerClass);
        var unknown = new LabelMaps(["x", "q"], 1, _ => new([1], new(1, 1))).Renumbered(new(["x", "q"], ["x"]));
        Assert.Contains("pixels of class q", Assert.Throws<DataException>(() => unknown[0]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Images_with_new_labels_are_the_same_images()
    {
        var data = MadeUp.Numbered(6);
        var mapped = (ImageDataset)ClassMapping.Apply(data, ["odd", "even"]);
        Assert.Equal([1, 0, 1, 0, 1, 0], ClassLabels.Of(mapped).Labels);
        var raster = new Imaging.Raster();
        mapped.Read(5, raster);
        Assert.Equal(5, raster.Values[0]);
        Assert.True(mapped.InMemory);
    }
}
