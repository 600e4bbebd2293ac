using System.Globalization;
using Tessera.Testing;

namespace Tessera.Cli.Tests;

public sealed class ScoreTests : IDisposable
{
    // Two images of 100 x 80: a cat and a dog, and a cat.
    private const string Truth = """
        {"images": [
          {"id": 7, "file_name": "b.jpg", "width": 100, "height": 80}, {"id": 3, "file_name": "a.jpg", "width": 100, "height": 80}],
         "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
         "annotations": [
          {"id": 1, "image_id": 3, "category_id": 2, "bbox": [10, 10, 20, 30], "area": 600, "iscrowd": 0},
          {"id": 2, "image_id": 3, "category_id": 5, "bbox": [50, 40, 40, 40], "area": 1600, "iscrowd": 0},
          {"id": 3, "image_id": 7, "category_id": 2, "bbox": [60, 20, 30, 40], "area": 1200, "iscrowd": 0}]}
        """;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private Ended Score(string truth, string detections, params string[] more) =>
        CommandLineTool.Run(["score", folder[truth], folder[detections], .. more]);

    private void WriteCoco(string results)
    {
        folder.Write("truth.json", Truth);
        folder.Write("results.json", results);
    }

    private static void Has(string part, string? text) => Assert.Contains(part, text, StringComparison.Ordinal);

    private static double[] Figures(Ended ended, params string[] names) =>
        [.. names.Select(name => Math.Round(ended.Json.GetProperty("figures").GetProperty(name).GetDouble(), 12))];

    private const string Right = """
        [{"image_id": 3, "category_id": 2, "bbox": [10, 10, 20, 30], "score": 0.9},
         {"image_id": 7, "category_id": 2, "bbox": [60, 20, 30, 40], "score": 0.8},
         {"image_id": 3, "category_id": 5, "bbox": [60, 40, 40, 40], "score": 0.7}]
        """;

    [Fact]
    public void Results_of_COCO_are_measured_against_its_annotations()
    {
        WriteCoco(Right);
        var ended = Score("truth.json", "results.json").Succeeded();
        // The dog overlaps by 0.6: it is found at three of ten thresholds.
        Assert.Matches(@"(?m)^AP +65\.00 %$", ended.Output);
        Assert.Matches(@"(?m)^AP75 +50\.00 %$", ended.Output);
        Assert.Matches(@"(?m)^images +2$", ended.Output);
        Assert.Matches(@"(?m)^cat +2 +2 +100\.00 % +100\.00 % +100\.00 % +100\.00 % +100\.00 % +- +100\.00 %$", ended.Output);
        Assert.Matches(@"(?m)^dog +1 +1 +30\.00 % +100\.00 % +0\.00 % ", ended.Output);
        Assert.Matches(@"(?m)^small +at most 1,024 +1 +100\.00 %", ended.Output);
        var json = Score("truth.json", "results.json", "--json").Succeeded();
        Assert.Equal([0.65, 1, 0.5, 1, 0.65, -1], Figures(json, "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"));
        Assert.Equal(0, json.Json.GetProperty("unknown_images").GetArrayLength());
        var dog = json.Json.GetProperty("evaluation").GetProperty("boxes").GetProperty("per_class").GetProperty("dog");
        Assert.Equal(1, dog.GetProperty("objects").GetInt32());
        Assert.Contains("AP\t65.00 %", Score("truth.json", "results.json", "--quiet").Succeeded().Lines);
    }

    [Fact]
    public void Detections_of_unknown_images_and_classes_are_left_out_and_listed()
    {
        WriteCoco(
            Right.Replace(
                "[{",
                """
                [{"image_id": 99, "category_id": 2, "bbox": [0, 0, 9, 9], "score": 1},
                 {"image_id": 3, "category_id": 4, "bbox": [0, 0, 9, 9], "score": 1}, {
                """,
                StringComparison.Ordinal
            )
        );
        var ended = Score("truth.json", "results.json").Succeeded();
        Assert.Matches(@"(?m)^AP +65\.00 %$", ended.Output);
        Has("left out: 1 detection in images that the truth does not have: 99", ended.Output);
        Has("left out: 1 detection of classes that the truth does not have: 4", ended.Output);
        var json = Score("truth.json", "results.json", "--json").Succeeded().Json;
        Assert.Equal("99", json.GetProperty("unknown_images")[0].GetProperty("name").GetString());
        Assert.Equal(1, json.GetProperty("unknown_classes")[0].GetProperty("detections").GetInt32());
    }

    [Fact]
    public void Masks_are_measured_where_both_sides_have_them()
    {
        const string Rle = "\"segmentation\": {\"size\": [4, 4], \"counts\": ";
        folder.Write(
            "truth.json",
            $$$"""
            {"images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}], "categories": [{"id": 1, "name": "x"}],
             "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 8,
              "iscrowd": 0, {{{Rle}}}[0, 8, 8]}}]}
            """
        );
        folder.Write("results.json", $$$"""[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "score": 0.5, {{{Rle}}}[0, 16]}}]""");
        var json = Score("truth.json", "results.json", "--json").Succeeded();
        Assert.Equal([1, 0.1, 1], Figures(json, "ap", "mask_ap", "mask_ap50"));
        folder.Write("results.json", $$$"""[{"image_id": 1, "category_id": 1, "score": 0.5, {{{Rle}}}[0, 8, 8]}}]""");
        Assert.Equal([0.1, 1], Figures(Score("truth.json", "results.json", "--json").Succeeded(), "ap", "mask_ap"));
    }

    [Theory]
    [InlineData("coco", 1, 0)] // 50 of 100: edges
    [InlineData("voc2010", 1, 1)] // 6 x 11 of 11 x 11 pixels
    public void Text_is_measured_against_text_by_corners(string protocol, double at50, double at54)
    {
        folder.Write("truth/a.txt", "cat 10 10 20 20\ncat 50 50 60 60 difficult\n");
        folder.Write("found/a.txt", "cat .9 50 50 60 60\ncat 0.8 10 10 15 20\n");
        folder.Write("truth/b.txt", "");
        string[] more = ["--boxes", "xyxy", "--truth-boxes", "xyxy", "--protocol", protocol, "--json"];
        var figure = protocol == "coco" ? "ap" : "map";
        Assert.Equal([at50], Figures(Score("truth", "found", [.. more, "--iou", "0.5"]).Succeeded(), figure));
        Assert.Equal([at54], Figures(Score("truth", "found", [.. more, "--iou", "0.54"]).Succeeded(), figure));
        var said = Score("truth", "found", [.. more, "--iou", "0.5"]).Json.GetProperty("remarks");
        Assert.Equal($"{folder["found"]}: 1 of 2 images have no file, and so no detections", said[0].GetString());
        // Counted, the difficult object is found first.
        Assert.Equal(2, Found(Score("truth", "found", [.. more, "--iou", "0.5", "--count-difficult"]).Succeeded(), protocol));
    }

    private static int Found(Ended ended, string protocol)
    {
        var evaluation = ended.Json.GetProperty("evaluation");
        return protocol == "coco"
            ? evaluation.GetProperty("boxes").GetProperty("per_class").GetProperty("cat").GetProperty("objects").GetInt32()
            : evaluation.GetProperty("per_class").GetProperty("cat").GetProperty("found").GetInt32();
    }

    [Fact]
    public void Text_is_measured_against_xml_of_VOC_and_classes_may_be_numbers()
    {
        folder.Write("truth/a.xml", Xml("cat", 10, 10, 30, 40) + "\n");
        folder.Write("found/a.txt", "1 0.9 10 10 30 40\n");
        folder.Write("names.txt", "dog\ncat\n");
        Assert.Equal(
            $"tessera: {folder["found"]} has numbers for classes, and the truth has names: --classes must name a file that lists "
                + "the names, a line each",
            Score("truth", "found", "--boxes", "xyxy").UserError()
        );
        var ended = Score("truth", "found", "--boxes", "xyxy", "--classes", folder["names.txt"], "--protocol", "voc2007", "--json")
            .Succeeded();
        Assert.Equal([1], Figures(ended, "map"));
        Assert.Equal(-1, ended.Json.GetProperty("evaluation").GetProperty("per_class").GetProperty("dog").GetProperty("ap").GetDouble());
    }

    private static string Xml(string name, params int[] box) =>
        $"""
            <annotation><filename>a.jpg</filename><size><width>100</width><height>80</height><depth>3</depth></size>
            <object><name>{name}</name><difficult>0</difficult>
            <bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object></annotation>
            """;

    [Fact]
    public void What_four_numbers_are_is_found_out_or_asked_for()
    {
        folder.Write("truth/a.xml", Xml("cat", 60, 40, 99, 79));
        // As x, y, width, height the boxes would leave the image, as corners they lie in it.
        folder.Write("found/a.txt", "cat 0.9 60 40 99 79\n");
        var ended = Score("truth", "found", "--json").Succeeded();
        Assert.Equal([1], Figures(ended, "ap"));
        Has("boxes are read as x1 y1 x2 y2", ended.Json.GetProperty("remarks")[0].GetString()!);
        // The second box would end before it begins.
        folder.Write("found/a.txt", "cat 0.9 60 40 39 39\n");
        ended = Score("truth", "found", "--json").Succeeded();
        Assert.Equal([1], Figures(ended, "ap"));
        Has("boxes are read as x y width height", ended.Json.GetProperty("remarks")[0].GetString()!);
        folder.Write("found/a.txt", "cat 0.9 10 10 30 40\n");
        Assert.Equal(
            $"tessera: {folder["found"]}: its boxes could be x1 y1 x2 y2 or x y width height: --boxes must say which, as in --boxes xyxy",
            Score("truth", "found").UserError()
        );
        folder.Write("found/a.txt", "cat 0.9 0.795 0.74375 0.39 0.4875\n");
        ended = Score("truth", "found", "--json").Succeeded();
        Assert.Equal([1], Figures(ended, "ap"));
        Has("in shares of the image", ended.Json.GetProperty("remarks")[0].GetString()!);
        folder.Write("found/a.txt", "cat 0.9 0 0 1 1\n");
        Has("--relative or --absolute must say", Score("truth", "found").UserError());
    }

    [Fact]
    public void Shares_become_whole_pixels_where_numbers_name_pixels()
    {
        folder.Write("truth/a.xml", Xml("cat", 10, 10, 19, 19));
        // From 10.4 to 19.4: pixels 10 to 19, which all are those of the object.
        folder.Write("found/a.txt", "cat 0.9 0.149 0.18625 0.09 0.1125\n");
        string[] more = ["--boxes", "cxcywh", "--relative", "--iou", "0.99", "--json"];
        Assert.Equal([1], Figures(Score("truth", "found", [.. more, "--protocol", "voc2010"]).Succeeded(), "map"));
        Assert.Equal([0], Figures(Score("truth", "found", more).Succeeded(), "ap"));
    }

    [Fact]
    public void Labels_of_YOLO_need_the_sizes_of_the_images()
    {
        folder.Write("labels/a.txt", "0 0.5 0.5 0.2 0.4\n");
        folder.Write("labels/classes.txt", "cat\n");
        folder.Write("found/a.txt", "cat 0.9 40 30 20 40\n");
        string[] more = ["--boxes", "xywh", "--truth-boxes", "cxcywh"];
        Has("--images must name the folder of the images", Score("labels", "found", more).UserError());
        folder.Write("images/a.pgm", [.. "P5 100 100 255\n"u8, .. new byte[10_000]]);
        Assert.Equal([1], Figures(Score("labels", "found", [.. more, "--images", folder["images"], "--json"]).Succeeded(), "ap"));
    }

    [Fact]
    public void Results_whose_boxes_look_like_corners_are_refused()
    {
        WriteCoco("""[{"image_id": 7, "category_id": 2, "bbox": [60, 20, 90, 60], "score": 0.8}]""");
        Has("its boxes look like x1 y1 x2 y2", Score("truth.json", "results.json").UserError());
        // One of two cats, and no dog.
        Assert.Equal(
            [Math.Round(51 / 101.0 / 2, 12)],
            Figures(Score("truth.json", "results.json", "--boxes", "xyxy", "--json").Succeeded(), "ap50")
        );
        Assert.Equal([0], Figures(Score("truth.json", "results.json", "--boxes", "xywh", "--json").Succeeded(), "ap50"));
    }

    [Fact]
    public void Results_may_be_a_whole_file_whose_annotations_have_scores()
    {
        WriteCoco(
            """
            {"images": [{"id": 0, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}],
             "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}], "info": {"x": [1, {"y": 2}]},
             "annotations": [{"image_id": 0, "category_id": 0, "bbox": [10, 10, 20, 30], "score": 0.9, "segmentation": []},
              {"image_id": 1, "category_id": 0, "bbox": [60, 20, 30, 40], "score": 0.8}]}
            """
        );
        Assert.Equal([0.5], Figures(Score("truth.json", "results.json", "--json").Succeeded(), "ap"));
    }

    [Theory]
    [InlineData("coco", "ap")]
    [InlineData("voc2010", "map")]
    public void Without_objects_no_figure_is_defined(string protocol, string figure)
    {
        WriteCoco("[]");
        folder.Write("truth.json", Truth.Replace("\"iscrowd\": 0", "\"iscrowd\": 1", StringComparison.Ordinal));
        var ended = Score("truth.json", "results.json", "--protocol", protocol).Succeeded();
        Has("no object that is to be found: no figure is defined", ended.Output);
        Assert.DoesNotContain("-100", ended.Output, StringComparison.Ordinal);
        Assert.Equal([-1], Figures(Score("truth.json", "results.json", "--protocol", protocol, "--json").Succeeded(), figure));
        folder.Write("truth.json", Truth);
        Assert.Equal([0], Figures(Score("truth.json", "results.json", "--protocol", protocol, "--json").Succeeded(), figure));
    }

    [Fact]
    public void A_table_and_a_page_are_written()
    {
        WriteCoco(Right);
        var (csv, page) = (folder["classes.csv"], folder["score.html"]);
        Score("truth.json", "results.json", "--csv", csv, "--page", page).Succeeded();
        var lines = File.ReadAllLines(csv);
        Assert.Equal("class,objects,detections,ap,ap50,ap75,ap_small,ap_medium,ap_large,ar100", lines[0]);
        Assert.StartsWith("cat,2,2,", lines[1], StringComparison.Ordinal);
        Assert.Equal(0.3, double.Parse(lines[2].Split(',')[3], CultureInfo.InvariantCulture), 12);
        var html = File.ReadAllText(page);
        Has("Precision over recall", html);
        Has("<svg", html);
        Score("truth.json", "results.json", "--csv", csv, "--page", page, "--protocol", "voc2007").Succeeded();
        Assert.Equal("cat,2,2,0,1", File.ReadAllLines(csv)[1]);
        Has("<svg", File.ReadAllText(page));
    }

    [Theory]
    [InlineData("""[{"image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4]}]""", "detection 1: 'score' is missing")]
    [InlineData("""[{"image_id": "3", "category_id": 2, "bbox": [1, 2, 3, 4], "score": 1}]""", "'image_id' must be a whole number")]
    [InlineData("""[{"image_id": 3, "category_id": 2, "bbox": [1, 2, 3], "score": 1}]""", "'bbox' must be four numbers, and there are 3")]
    [InlineData("""[{"image_id": 3, "category_id": 2, "score": 1}]""", "there must be 'bbox' or 'segmentation'")]
    [InlineData("""[{"image_id": 3, "category_id": 2, "bbox": [1, 2, -3, 4], "score": 1}]""", "neither may be negative")]
    [InlineData("""[{"image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4], "score": "high"}]""", "'score' must be a number")]
    [InlineData("""{"images": []}""", "a list of detections, or an object with 'annotations'")]
    [InlineData("""[3]""", "it must be an object")]
    [InlineData("""[{"image_id": 3""", "not valid JSON")]
    public void Damaged_results_are_refused_with_the_place(string results, string problem)
    {
        WriteCoco(results);
        var error = Score("truth.json", "results.json").UserError();
        Has(problem, error);
        Has(folder["results.json"], error);
    }

    [Theory]
    [InlineData("cat 0.9 1 2 3", "line 1: 5 fields, and a detection must have 6")]
    [InlineData("cat 0.9 1 2 3 4\n\ncat 0.9 1 2 x 4", "line 3: field 5 is 'x', and must be a number")]
    [InlineData("cat 0.9 5 2 3 4", "line 1: the box ends at (3, 4) before it begins at (5, 2)")]
    [InlineData("cat nan 1 2 3 4", "line 1: field 2 is 'nan', and must be a number")]
    public void Damaged_text_is_refused_with_its_line(string text, string problem)
    {
        folder.Write("truth/a.txt", "cat 1 2 3 4");
        folder.Write("found/a.txt", text);
        var error = Score("truth", "found", "--boxes", "xyxy", "--truth-boxes", "xyxy").UserError();
        Has($"{folder["found/a.txt"]}: {problem}", error);
    }

    [Fact]
    public void Other_mistakes_are_named()
    {
        WriteCoco(Right);
        Has("there is no such file or folder", Score("nothing", "results.json").UserError());
        Has("there is no such file or folder", Score("truth.json", "nothing").UserError());
        Assert.Contains(
            "--iou must be above 0 and at most 1",
            Score("truth.json", "results.json", "--iou", "0").UserError(),
            StringComparison.Ordinal
        );
        Has("exclude each other", Score("truth.json", "results.json", "--relative", "--absolute").UserError());
        folder.Write("both/a.xml", Xml("cat", 1, 1, 2, 2));
        folder.Write("both/a.txt", "cat 1 1 2 2");
        Has("without files of the other kind", Score("both", "results.json").UserError());
        folder.Write("one/a.xml", Xml("cat", 1, 1, 2, 2));
        Has("names images by number, and the truth does not", Score("one", "results.json").UserError());
        folder.Write("empty/readme.md", "");
        Has("holds no .xml or .txt file", Score("empty", "results.json").UserError());
        folder.Write("text/a.txt", "cat 0.9 1 1 2 2");
        Has("line 1: 6 fields, and an object must have 5", Score("text", "results.json").UserError());
    }
}
