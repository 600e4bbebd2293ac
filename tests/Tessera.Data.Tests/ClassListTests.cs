using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Names of classes for weights from elsewhere.</summary>
public class ClassListTests
{
    [Theory]
    [InlineData("names.txt", "cat\n dog \n\nowl\n")]
    [InlineData("list.json", """["cat", "dog", "owl"]""")]
    [InlineData("pairs.json", """[["n1", "cat"], ["n2", "dog"], ["n3", "owl"]]""")]
    [InlineData("imagenet_class_index.json", """{"0": ["n1", "cat"], "2": ["n3", "owl"], "1": ["n2", "dog"]}""")]
    [InlineData(
        "id2label.json",
        """{"0": "cat", "10": "x10", "2": "owl", "1": "dog", "3":"x3","4":"x4","5":"x5","6":"x6","7":"x7","8":"x8","9":"x9"}"""
    )]
    [InlineData("label2id.json", """{"owl": 2, "cat": 0, "dog": 1}""")]
    [InlineData("config.json", """{"architectures": ["X"], "id2label": {"0": "cat", "1": "dog", "2": "owl"}}""")]
    public void A_file_of_any_usual_form_lists_classes_in_order(string name, string content)
    {
        using var folder = new TempFolder();
        Assert.Equal(["cat", "dog", "owl"], ClassList.ReadFile(folder.Write(name, content)).Take(3));
    }

    [Fact]
    public void Classes_of_one_name_are_told_apart_by_their_numbers()
    {
        using var folder = new TempFolder();
        Assert.Equal(["crane (0)", "cat", "Crane (2)"], ClassList.ReadFile(folder.Write("imagenet_classes.txt", "crane\ncat\nCrane\n")));
    }

    [Theory]
    [InlineData("empty.txt", "\n", "name a class a line")]
    [InlineData("broken.json", "[\"a\"", "valid JSON")]
    [InlineData("number.json", "7", "a list of names")]
    [InlineData("none.json", "[]", "names no classes")]
    [InlineData("gap.json", """{"0": "a", "2": "c"}""", "class 1 is missing")]
    [InlineData("twice.json", """{"0": "a", "00": "b"}""", "there twice")]
    [InlineData("words.json", """{"first": "a"}""", "'first' must be the number")]
    [InlineData("deep.json", """[{"name": "a"}]""", "class 0 must be a name")]
    public void A_file_of_another_form_is_an_error_that_names_it(string name, string content, string problem)
    {
        using var folder = new TempFolder();
        var error = Assert.ThrowsAny<DataException>(() => ClassList.ReadFile(folder.Write(name, content)));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ImageNet_has_a_thousand_synsets_in_order_and_as_many_names()
    {
        Assert.Equal(1000, ImageNetClasses.Synsets.Count);
        Assert.Equal(ImageNetClasses.Synsets.Distinct().Order(StringComparer.Ordinal), ImageNetClasses.Synsets);
        Assert.All(ImageNetClasses.Synsets, synset => Assert.Matches("^n[0-9]{8}$", synset));
        Assert.Equal(1000, ImageNetClasses.Names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        // As torchvision and timm have them.
        Assert.Equal(
            [("n01440764", "tench"), ("n02123045", "tabby"), ("n04254680", "soccer ball"), ("n15075141", "toilet tissue")],
            new[] { 0, 281, 805, 999 }.Select(label => (ImageNetClasses.Synsets[label], ImageNetClasses.Names[label]))
        );
    }
}
