using System.Text;
using Tessera.Data.Formats;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public sealed class DetectionResultTests : IDisposable
{
    private const string List = """
        [{"image_id": 42, "category_id": 18, "bbox": [258.15, 41.29, 348.26, 243.78], "score": 0.236},
         {"score": 1, "id": 3, "segmentation": {"size": [4, 4], "counts": [0, 8, 8]}, "category_id": 2.0, "image_id": 20180000001},
         {"image_id": 1, "category_id": 1, "bbox": [], "score": 2e-3, "segmentation": {"size": [4, 4], "counts": "088"}},
         {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0, "segmentation": [[0, 0, 3, 0, 3, 3]]}]
        """;

    private const string Whole = """
        {"info": {"a": [1, 2]}, "images": [{"id": 5, "file_name": "x/a.jpg", "width": 3}, {"id": 6}],
         "annotations": [{"image_id": 5, "category_id": 0, "bbox": [1, 2, 3, 4], "score": 0.5, "segmentation": []}],
         "categories": [{"name": "cat", "id": 0}]}
        """;

    private const string Lines = "cat 0.94 12 44 332 437\n\n 7\t.5 0.1 1e1 -2 3 \r\n";

    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_list_of_detections_is_read_with_boxes_and_masks()
    {
        var results = CocoResults.Read(folder.Write("results.json", List));
        Assert.Equal(
            [(42L, 18L, 0.236), (20180000001, 2, 1), (1, 1, 0.002), (1, 1, 0)],
            results.Rows.Select(row => (row.Image, row.Category, row.Score))
        );
        Assert.Equal([258.15, 41.29, 348.26, 243.78], results.Rows[0].Box!);
        Assert.Equal([null, null], results.Rows.Skip(1).Take(2).Select(row => row.Box));
        Assert.Equal([8L, 8], results.Rows.Skip(1).Take(2).Select(row => row.Segmentation!.Mask(new(4, 4)).Area));
        Assert.True(results.Rows[3].Segmentation!.Mask(new(4, 4)).Area > 0);
        Assert.Empty(results.Files);
    }

    [Fact]
    public void A_whole_file_tells_the_names_of_images_and_categories()
    {
        var results = CocoResults.Read(folder.Write("results.json", Whole));
        Assert.Equal("x/a.jpg", Assert.Single(results.Files).Value);
        Assert.Equal((0L, "cat"), (results.Categories.Single().Key, results.Categories.Single().Value));
        Assert.Null(Assert.Single(results.Rows).Segmentation);
    }

    [Fact]
    public void Lines_of_text_are_read_and_empty_ones_passed_over()
    {
        var found = BoxText.Read(folder.Write("a.txt", Lines), scored: true);
        Assert.Equal([(1, "cat", 0.94), (3, "7", 0.5)], found.Select(line => (line.Line, line.Class, line.Score!.Value)));
        Assert.Equal([0.1, 10, -2, 3], found[1].Box);
        var truth = BoxText.Read(folder.Write("b.txt", "cat 1 2 3 4\ncat 1 2 3 4 difficult\n"), scored: false);
        Assert.Equal([(null, false), (null, true)], truth.Select(line => (line.Score, line.IsDifficult)));
        Assert.Empty(BoxText.Read(folder.Write("c.txt", ""), scored: false));
    }

    [Theory]
    [InlineData("difficult 1 2 3", "4 fields")]
    [InlineData("cat 1 2 3 4 hard", "6 fields")]
    [InlineData("cat 1 2 3 1e999", "field 5 is '1e999', and must be a number")]
    public void Lines_of_another_form_are_refused(string line, string problem) =>
        Assert.Contains(
            problem,
            Assert.Throws<DataFormatException>(() => BoxText.Read(folder.Write("a.txt", line), scored: false)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    [Trait("Category", Mutations.Category)]
    public void Damaged_results() => Check("coco_results", path => CocoResults.Read(path), List, Whole);

    [Fact]
    [Trait("Category", Mutations.Category)]
    public void Damaged_text() => Check("box_text", path => BoxText.Read(path, scored: true), Lines);

    private void Check(string parser, Action<string> read, params string[] good) =>
        Mutations.Check<DataException>(
            parser,
            [.. good.Select(text => (Encoding.UTF8.GetBytes(text), (Action<byte[]>)(bytes => read(folder.Write("damaged", bytes)))))]
        );
}
