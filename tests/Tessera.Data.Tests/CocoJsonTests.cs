using System.Text;
using Tessera.Data.Formats;
using Tessera.Data.Images;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>COCO's JSON: images, categories and annotations in any order and any of the forms in use.</summary>
public sealed class CocoJsonTests : IDisposable
{
    private static readonly byte[] photograph = [.. "P5 4 2 255\n"u8, .. new byte[8]];

    private const string TwoImages =
        """{"id": 30, "file_name": "b.ppm", "height": 2, "width": 4}, {"id": 7, "file_name": "a.ppm", "height": 2, "width": 4}""";
    private const string TwoCategories = """{"id": 5, "name": "dog"}, {"id": 2, "name": "cat", "supercategory": "animal"}""";

    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    private static string Json(string annotations, string images = TwoImages, string categories = TwoCategories) =>
        $$"""
            {"info": {"deep": [[1, {"x": null}]]}, "annotations": [{{annotations}}], "images": [{{images}}],
            "categories": [{{categories}}]}
            """;

    private (CocoAnnotations File, AnnotationFaults Faults) Read(string json, bool lenient = false)
    {
        var faults = new AnnotationFaults(lenient);
        return (CocoJson.Read(folder.Write("train.json", json), faults), faults);
    }

    private ImageObject One(string annotation) => Assert.Single(Read(Json(annotation)).File.Images.SelectMany(image => image.Objects));

    private string Refusal(string json)
    {
        var message = Assert.Throws<DataFormatException>(() => Read(json)).Message;
        Assert.StartsWith(folder["train.json"] + ": ", message, StringComparison.Ordinal);
        return message[(folder["train.json"].Length + 2)..];
    }

    [Fact]
    public void Images_stand_by_their_numbers_and_classes_by_those_of_the_categories()
    {
        var (file, faults) = Read(
            Json(
                """
                {"id": 11, "image_id": 7, "category_id": 5, "bbox": [1, 0, 2.5, 1], "area": 2, "iscrowd": 0, "segmentation": []},
                {"id": 12, "image_id": 7, "category_id": 2, "bbox": [-1, 0, 9, 9], "area": 81.5, "iscrowd": 1, "ignore": 1,
                "attributes": {"a": []}}
                """
            )
        );
        Assert.Equal([(2L, "cat"), (5L, "dog")], file.Categories);
        Assert.Equal(["7 a.ppm 2", "30 b.ppm 0"], file.Images.Select(image => $"{image.Id} {image.File} {image.Objects.Count}"));
        Assert.Equal(
            [
                new ImageObject(new(1, 0, 3.5, 1), 1, 11, Area: 2),
                new ImageObject(new(-1, 0, 8, 9), 0, 12, IsCrowd: true, IsIgnored: true, Area: 81.5),
            ],
            file.Images[0].Objects
        );
        Assert.Empty(faults.Findings);
    }

    [Fact]
    public void A_mask_may_have_any_of_its_forms()
    {
        const string Start = """{"id": 1, "image_id": 7, "category_id": 5, "bbox": [0, 0, 2, 2], "area": 4, "segmentation": """;
        byte[] left = [1, 1, 0, 0, 1, 1, 0, 0];
        foreach (
            var form in (string[])
                [
                    """{"counts": [0, 4, 4], "size": [2, 4]}""",
                    """{"size": [2, 4], "counts": "044"}""",
                    "[[0, 0, 2, 0, 2, 2, 0, 2]]",
                    "[0, 0, 2, 0, 2, 2, 0, 2]",
                    "[[0, 0, 1, 0, 1, 2, 0, 2], [1, 0, 2, 0, 2, 2, 1, 2], [9, 9]]",
                ]
        )
            Assert.Equal(left, One(Start + form + "}").Mask!.ToBitmap());
        Assert.Null(One(Start + "null}").Mask);
    }

    [Fact]
    public void What_an_annotation_lacks_comes_from_the_rest_and_is_said()
    {
        var (file, faults) = Read(
            Json(
                """
                {"id": 4, "image_id": 7, "category_id": 5, "segmentation": [[0, 0, 3, 0, 3, 1, 0, 1]]},
                {"image_id": 7, "category_id": 5, "bbox": [0, 0, 2, 2]},
                {"image_id": 7, "category_id": 5, "bbox": [9, 0, 2, 2], "area": 4},
                {"image_id": 7, "category_id": 5, "bbox": [0, 0, 0, 2], "area": 0}
                """
            )
        );
        var objects = file.Images[0].Objects;
        Assert.Equal((new ObjectBox(0, 0, 3, 1), 3.0), (objects[0].Box, objects[0].Area));
        Assert.Equal([4L, 5, 6, 7], objects.Select(one => one.Id));
        Assert.Null(objects[1].Area);
        Assert.Equal(
            [
                "annotations without a box, which is that of the mask now: 1",
                "annotations without an area, which is that of the mask or the box now: 2",
                "annotations without a mask, where others have some: 3",
                "boxes outside of their image, which training leaves out: 1",
                "objects without an area, which training leaves out: 1",
            ],
            faults.Findings.Select(finding => finding.Text)
        );
        Assert.All(faults.Findings, finding => Assert.False(finding.IsProblem));
    }

    // What stands behind the numbers of the annotation, its image and its category, or instead of one of them.
    [Theory]
    [InlineData("'image_id': 8, 'bbox': [0, 0, 1, 1]", "its 'image_id' is 8, and 'images' lists no such image")]
    [InlineData("'category_id': 3, 'bbox': [0, 0, 1, 1]", "its 'category_id' is 3, and 'categories' lists no such category")]
    [InlineData("'bbox': [0, 0, -1, 1]", "'bbox' is [0, 0, -1, 1]: it must be [x, y, width, height] with no side below 0")]
    [InlineData("'bbox': [0, 0, 1]", "'bbox' is [0, 0, 1]: it must be [x, y, width, height] with no side below 0")]
    [InlineData("'image_id': '7'", "'image_id' must be a whole number, and is a text")]
    [InlineData("'image_id': 7.5", "'image_id' must be a whole number, and is another one")]
    [InlineData("'area': 1", "'bbox' is missing, and so is 'segmentation'")]
    [InlineData("'bbox': [0, 0, 1e999, 1]", "'bbox' must be a number, and is another one")]
    [InlineData("'bbox': [0, 0, 1, 1], 'area': -1", "'area' is -1: it must be at least 0")]
    [InlineData("'bbox': [0, 0, 1, 1], 'iscrowd': 2", "'iscrowd' must be 0 or 1, and is another one")]
    [InlineData(
        "'segmentation': {'counts': [7], 'size': [2, 4]}",
        "run lengths of a mask add up to 7, and must add up to the 8 pixels of 2x4"
    )]
    [InlineData("'segmentation': {'counts': [8], 'size': [4, 2]}", "'segmentation' is of an image of 4x2, and the image is 2x4")]
    [InlineData("'segmentation': {'size': [4, 2]}", "'segmentation' must have 'counts' once, as a list of numbers or as text")]
    [InlineData("'segmentation': {'counts': [8]}", "'segmentation' must have 'size', as in [height, width]")]
    [InlineData("'segmentation': [[0, 0, 1, 1, 2]]", "a polygon has 5 coordinates: it must have an even number, and at least 6")]
    [InlineData("'segmentation': true", "'segmentation' must be a list of polygons, or an object with 'counts' and 'size'")]
    public void A_wrong_annotation_is_named_with_its_field_and_its_byte(string fields, string problem)
    {
        // The last of fields of one name counts.
        var annotation = $"{{'image_id': 7, 'category_id': 5, {fields}, 'id': 17}}".Replace('\'', '"');
        var json = Json(annotation);
        var offset = Encoding.UTF8.GetByteCount(json[..json.IndexOf(annotation, StringComparison.Ordinal)]);
        Assert.Equal($"annotation 17: {problem} (at byte {offset})", Refusal(json));
    }

    [Fact]
    public void What_is_no_annotation_is_named_by_its_place()
    {
        Assert.StartsWith("annotation number 1 of the file: it must be an object", Refusal(Json("3")), StringComparison.Ordinal);
        Assert.StartsWith("annotation number 1 of the file: 'image_id' is missing", Refusal(Json("{}")), StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_that_are_there_twice_and_what_the_file_lacks_are_named()
    {
        const string Box = """{"id": 1, "image_id": 7, "category_id": 5, "bbox": [0, 0, 1, 1]}""";
        Assert.StartsWith("annotation 1: its 'id' is there a second time", Refusal(Json($"{Box}, {Box}")), StringComparison.Ordinal);
        Assert.StartsWith(
            "image 7: its 'id' is there a second time (a.ppm and c.ppm)",
            Refusal(Json("", images: TwoImages + """, {"id": 7, "file_name": "c.ppm"}""")),
            StringComparison.Ordinal
        );
        Assert.StartsWith(
            "category 5: its 'id' is there a second time (dog and cow)",
            Refusal(Json("", categories: TwoCategories + """, {"id": 5, "name": "cow"}""")),
            StringComparison.Ordinal
        );
        Assert.StartsWith("image 1: 'file_name' is missing", Refusal(Json("", images: """{"id": 1}""")), StringComparison.Ordinal);
        Assert.StartsWith(
            "image 1: 'height' is -3 and 'width' 4: both must be at least 1",
            Refusal(Json("", images: """{"id": 1, "file_name": "a", "height": -3, "width": 4}""")),
            StringComparison.Ordinal
        );
        Assert.Equal("the file must have 'annotations', and has none", Refusal("""{"images": [], "categories": []}"""));
        Assert.StartsWith("the file must hold an object at its top", Refusal("[]"), StringComparison.Ordinal);
        Assert.StartsWith("'images' must be an array", Refusal("""{"images": 3}"""), StringComparison.Ordinal);
        Assert.StartsWith("'images' is there twice", Refusal("""{"images": [], "images": []}"""), StringComparison.Ordinal);
        Assert.StartsWith("not valid JSON", Refusal("""{"images": [], """), StringComparison.Ordinal);
        Assert.StartsWith("not valid JSON", Refusal(Json("") + "x"), StringComparison.Ordinal);
        var (file, faults) = Read(Json("", categories: TwoCategories + """, {"id": 9, "name": "cat"}"""));
        Assert.Equal(["cat (2)", "dog", "cat (9)"], file.Categories.Select(category => category.Name));
        Assert.Single(faults.Remarks);
    }

    [Fact]
    public void A_lenient_reader_lists_all_problems_and_leaves_the_things_out()
    {
        var (file, faults) = Read(
            Json(
                """
                {"id": 1, "image_id": 8, "category_id": 5, "bbox": [0, 0, 1, 1]},
                {"id": 2, "image_id": 9, "category_id": 5, "bbox": [0, 0, 1, 1]},
                {"id": 3, "image_id": 7, "category_id": 3, "bbox": [0, 0, 1, 1]},
                {"id": 4, "image_id": 7, "category_id": 5, "bbox": "no"},
                {"id": 5, "image_id": 7, "category_id": 5, "bbox": [0, 0, 1, 1], "area": 1},
                {"id": 5, "image_id": 7, "category_id": 5, "bbox": [0, 0, 1, 1], "area": 1}
                """
            ),
            lenient: true
        );
        Assert.Equal([5L], file.Images[0].Objects.Select(one => one.Id));
        Assert.Equal(
            [
                $"what cannot be read of {folder["train.json"]}: 1",
                "annotations of images that are not listed: 2",
                "annotations of categories that are not listed: 1",
                "numbers of annotations that are there twice: 1",
            ],
            faults.Findings.Select(finding => finding.Text)
        );
        Assert.Equal(2, faults.Findings[1].Places.Count);
        Assert.All(faults.Findings, finding => Assert.True(finding.IsProblem));
        Assert.Empty(faults.Remarks);
    }

    // Pieces that end anywhere in the buffer, one that is larger than it, and a file that is many times as large.
    [Fact]
    public void Files_are_read_piece_by_piece()
    {
        var counts = string.Join(", ", Enumerable.Repeat("1", 100_000));
        var images = """{"id": 7, "file_name": "a.ppm", "height": 2, "width": 50000}""";
        var text = new StringBuilder("\uFEFF  ");
        const int Boxes = 3_000;
        var annotations = Enumerable
            .Range(1, Boxes)
            .Select(i =>
                $$"""{"id": {{i}}, "image_id": 7, "category_id": 5, "bbox": [0, 0, {{i}}, 1], "x": "{{new string('x', i % 97)}}"}"""
            )
            .Append(
                $$"""{"id": {{Boxes + 1}}, "image_id": 7, "category_id": 2,"segmentation": {"size":[2, 50000], "counts": [{{counts}}]} }"""
            );
        text.Append(Json(string.Join(",\n", annotations), images)).Append(" \n");
        var objects = Read(text.ToString()).File.Images.Single().Objects;
        Assert.Equal(Boxes + 1, objects.Count);
        Assert.Equal(Enumerable.Range(1, Boxes).Select(i => (double)i), objects.Take(Boxes).Select(one => one.Box.Right));
        Assert.Equal(50_000, objects[^1].Mask!.Area);
    }

    [Fact]
    public void The_published_set_is_found_and_counted()
    {
        folder.Write("coco/train2017/a.ppm", photograph);
        folder.Write("coco/train2017/b.ppm", photograph);
        var json = Json("""{"id": 1, "image_id": 7, "category_id": 5, "bbox": [0, 0, 2, 1]}""");
        folder.Write("coco/annotations/instances_train2017.json", json);
        var set = (FileImages)Datasets.Open("coco", "train", folder.Path);
        var boxes = (ObjectBoxes)set.Annotations;
        Assert.Equal(["cat", "dog"], set.ClassNames);
        Assert.Equal([7L, 30], boxes.ImageIds);
        Assert.Equal([2L, 5], boxes.CategoryIds);
        Assert.Equal([new ImageSize(2, 4), new ImageSize(2, 4)], boxes.Sizes);
        Assert.False(set.Orient);
        Assert.Equal(
            [
                "the split was published with 118287 images, and here are 2",
                "annotations without an area, which is that of the mask or the box now: 1 (annotation 1)",
                "1 of 2 images have no objects: they are kept, as images in which nothing is to be found",
            ],
            set.Remarks
        );
        Assert.Contains("no annotations/instances_val2017.json with val2017", Refused("val"), StringComparison.Ordinal);
        Assert.Contains("measure on val", Refused("test"), StringComparison.Ordinal);
        Assert.Equal([0, 1], set.Annotations.SamplesPerClass!);
        var renumbered = (ObjectBoxes)ClassMapping.Apply(set, ["dog", "cow"]).Annotations;
        Assert.Equal((0, 5L), (renumbered[0][0].Class, renumbered.CategoryIds![0]));

        string Refused(string split) => Message(() => Datasets.Open("coco", split, folder.Path));
    }

    [Fact]
    public void Files_of_ones_own_are_found_with_their_images()
    {
        var json = Json("""{"id": 1, "image_id": 7, "category_id": 5, "bbox": [0, 0, 2, 1], "area": 2}""");
        // A file for all, beside a folder of images.
        folder.Write("one/all.json", json);
        folder.Write("one/images/a.ppm", photograph);
        Assert.Contains(
            $"image 30: there is no file b.ppm in {folder["one"]}, {folder["one/images"]}",
            Message(() => Open("one")),
            StringComparison.Ordinal
        );
        folder.Write("one/images/more/b.ppm", photograph);
        Assert.Equal(["images/a.ppm", "images/more/b.ppm"], Samples(Open("one"), "one"));
        Assert.Equal(["all"], Datasets.Splits("coco_json", folder["one"]));
        Assert.Contains("data.split=minitrain", Message(() => Open("one", "val")), StringComparison.Ordinal);
        // Files of splits beside each other, in COCO's manner.
        foreach (var (file, images) in ((string, string)[])[("instances_train2017", "train2017"), ("instances_val2017", "val2017")])
        {
            folder.Write($"two/annotations/{file}.json", json);
            folder.Write($"two/annotations/captions_{images}.json", json);
            folder.Write($"two/{images}/a.ppm", photograph);
            folder.Write($"two/{images}/b.ppm", photograph);
        }
        Assert.Equal(["train", "val"], Datasets.Splits("coco_json", folder["two"]));
        Assert.Equal(["val2017/a.ppm", "val2017/b.ppm"], Samples(Open("two", "valid"), "two"));
        // A folder for each split, and names from another machine.
        folder.Write("three/train/_annotations.coco.json", json.Replace("b.ppm", @"C:\\data\\b.ppm", StringComparison.Ordinal));
        folder.Write("three/train/a.ppm", photograph);
        folder.Write("three/train/b.ppm", photograph);
        Assert.Equal(["train/a.ppm", "train/b.ppm"], Samples(Open("three"), "three"));
        // What could mean two things, and nothing at all.
        folder.Write("three/train/again.json", json);
        Assert.Contains("are both of the split train: one of them must go", Message(() => Open("three")), StringComparison.Ordinal);
        folder.Write("one/other.json", json);
        Assert.Contains("could each be the annotations", Message(() => Open("one")), StringComparison.Ordinal);
        folder.Write("four/results.json", """[{"image_id": 1}]""");
        Assert.Contains("must hold a COCO file", Message(() => Open("four")), StringComparison.Ordinal);
        folder.Write("five/train.json", json);
        folder.Write("five/a.ppm", photograph);
        var lenient = (ObjectBoxes)Datasets.Find("coco_json").OpenLeniently!("train", folder["five"]).Annotations;
        Assert.Equal((1, "images that are not there: 1"), (lenient.Count, Assert.Single(lenient.Findings).Text));

        Dataset Open(string root, string split = "train") => Datasets.Open("coco_json", split, folder[root]);
    }

    private string[] Samples(Dataset set, string root) =>
        [.. Enumerable.Range(0, set.Count).Select(i => Path.GetRelativePath(folder[root], set.SampleName(i)))];

    private static string Message(Func<object> act) => Assert.ThrowsAny<DataException>(act).Message;
}
