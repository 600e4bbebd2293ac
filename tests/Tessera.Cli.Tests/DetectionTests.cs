using System.Diagnostics;
using System.Text.Json;
using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Cli.Tests;

/// <summary>Objects in images, all the way: COCO json, training, eval, predict with pictures and results, report.</summary>
public sealed class DetectionTests(TrainedDetector trained) : IClassFixture<TrainedDetector>
{
    private const int Height = TrainedDetector.Height,
        Width = TrainedDetector.Width,
        Images = TrainedDetector.Training + TrainedDetector.Measured;

    private static readonly string some = Path.Combine("images", "000100.ppm"),
        none = Path.Combine("images", "000103.ppm");

    private Ended Run(params string[] arguments) => trained.Run(arguments);

    [Fact]
    public void Objects_are_learned_measured_and_reported()
    {
        var ap50 = trained.Trained.GetProperty("ap50").GetDouble();
        // Boxes at random, or one in the middle of each image, stay below 0.1.
        Assert.InRange(ap50, 0.3, 1);
        Assert.InRange(trained.Trained.GetProperty("mask_ap50").GetDouble(), 0.2, 1);
        Assert.Equal("ap", trained.Trained.GetProperty("score").GetProperty("name").GetString());
        var page = File.ReadAllText(trained[Path.Combine("run", "report.html")]);
        foreach (var title in (string[])["Precision and recall", "Truth and prediction", "Per class", "Per size", "Remarks"])
            Assert.Contains($"<h2>{title}</h2>", page, StringComparison.Ordinal);
        // Four have nothing, and one has a group alone.
        Assert.Contains("1 of 12 objects of train are groups or ignored", page, StringComparison.Ordinal);
        Assert.Contains("5 of 16 images of train have no objects", page, StringComparison.Ordinal);
        Assert.Equal(ap50, Run("eval", "run", "--eager", "--json").Succeeded().Json.GetProperty("ap50").GetDouble(), 1e-9);
        // Compiled, scores that are nearly equal may change places.
        Assert.Equal(ap50, Run("eval", "run", "--json").Succeeded().Json.GetProperty("ap50").GetDouble(), 0.02);
        Assert.Matches(@"rectangle +\d+ +\d+ +\d+\.\d\d %", Run("eval", "run").Succeeded().Output);
    }

    [Fact]
    public void A_comparison_has_the_figures_of_detectors_and_the_cost_of_backbone_and_head()
    {
        string[] quick = ["--set", "schedule.epochs=1", "--set", "schedule.warmup=0", "--set", "evaluation.every=1", "--count"];
        var row = Run(["compare", "mit_micro_32", "--train", "mask_rcnn.yaml", .. quick, "--csv", "compared.csv", "--json"])
            .Succeeded()
            .Json.GetProperty("models")[0];
        Assert.Equal("ap", row.GetProperty("score_name").GetString());
        Assert.InRange(row.GetProperty("whole_parameters").GetInt64(), row.GetProperty("parameters").GetInt64() + 1, long.MaxValue);
        Assert.InRange(row.GetProperty("whole_macs").GetInt64(), row.GetProperty("macs").GetInt64() + 1, long.MaxValue);
        var further = row.GetProperty("further");
        string[] names = ["ap50", "ap75", "ap_small", "ap_medium", "ap_large"];
        foreach (var name in names.SelectMany(name => (string[])[name, $"mask_{name}"]).Append("mask_ap"))
            Assert.InRange(further.GetProperty(name).GetDouble(), -1, 1);
        Assert.Contains("mask_ap50", File.ReadLines(trained["compared.csv"]).First(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_drawn_and_written_in_the_form_of_COCO()
    {
        var drawn = Run("predict", "run", "images", "--out", "found", "--coco", "found.json", "--threshold", "0.3", "--json").Succeeded();
        var answers = drawn.Json.EnumerateArray().ToArray();
        Assert.Equal(Images, answers.Length);
        Assert.Equal(Images, Directory.GetFiles(trained["found"], "*_objects.png").Length);
        using (var picture = Image.Open(trained[Path.Combine("found", "000100_objects.png")]))
            Assert.Equal((5 * Height, 5 * Width), (picture.Height, picture.Width));
        var choices = answers.SelectMany(one => one.GetProperty("choices").EnumerateArray()).ToArray();
        Assert.NotEmpty(choices);
        Assert.All(choices, one => Assert.InRange(one.GetProperty("score").GetDouble(), 0.3, 1));
        Assert.All(choices, one => Assert.InRange(one.GetProperty("box").GetProperty("right").GetDouble(), 0, Width));

        var results = JsonDocument.Parse(File.ReadAllText(trained["found.json"])).RootElement.EnumerateArray().ToArray();
        Assert.True(results.Length >= choices.Length);
        Assert.All(results, one => Assert.Contains(one.GetProperty("category_id").GetInt64(), TrainedDetector.Categories));
        // Files are named by their numbers.
        Assert.All(results, one => Assert.InRange(one.GetProperty("image_id").GetInt64(), 0, 100 + TrainedDetector.Measured - 1));
        var shape = results[0].GetProperty("segmentation");
        Assert.Equal(Height * Width, InstanceMask.FromText(new(Height, Width), shape.GetProperty("counts").GetString()!).ToCounts().Sum());
        Assert.Empty(Directory.GetFiles(trained["."], "*.tmp"));
    }

    [Fact]
    public void Objects_are_printed_with_their_boxes_and_what_has_no_meaning_is_refused()
    {
        var said = Run("predict", "run", some, none, "--threshold", "0").Succeeded();
        Assert.Matches(@"000100\.ppm +(rectangle|triangle) +\d+\.\d+ % +\d+, \d+ - \d+, \d+", said.Output);
        Assert.Contains("--out FOLDER writes the answers as pictures: NAME_objects.png", said.Output, StringComparison.Ordinal);
        Assert.Contains(
            "nothing was found in",
            Run("predict", "run", none, "--threshold", "1").Succeeded().Output,
            StringComparison.Ordinal
        );
        Assert.Contains("explanations need a classifier", Run("explain", "run", some).UserError(), StringComparison.Ordinal);
        Assert.Contains("--threshold must be from 0 to 1", Run("predict", "run", some, "--threshold", "2").Error, StringComparison.Ordinal);
        Assert.Contains(
            "--every is for the frames of videos",
            Run("predict", "run", some, "--every", "2").UserError(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Frames_of_a_video_are_looked_at_and_named_or_a_line_says_what_to_install()
    {
        trained.Write("clip.mp4", "no video");
        var nowhere = new Dictionary<string, string> { ["PATH"] = trained["nowhere"] };
        Assert.Contains(
            "clip.mp4: frames of videos need the program ffmpeg, which is not on the PATH: install ffmpeg (Debian: apt-get install ffmpeg)",
            trained.Run(nowhere, "predict", "run", "clip.mp4").UserError(),
            StringComparison.Ordinal
        );
        if (!IsInstalled("ffmpeg"))
        {
            Assert.Contains("need the program ffmpeg", Run("predict", "run", "clip.mp4").UserError(), StringComparison.Ordinal);
            return;
        }
        // A file that is no video is one line, and the others go on.
        var damaged = Run("predict", "run", "clip.mp4", some, "--json");
        Assert.Equal(2, damaged.Code);
        Assert.StartsWith("tessera: clip.mp4: ", damaged.Error, StringComparison.Ordinal);
        Assert.Equal(1, damaged.Json.GetArrayLength());
        File.Delete(trained["clip.mp4"]);
        string[] make = ["-v", "error", "-framerate", "4", "-start_number", "100", "-i", "images/%06d.ppm", "-c:v", "mpeg4", "clip.mp4"];
        using (var made = Process.Start(new ProcessStartInfo("ffmpeg", make) { WorkingDirectory = trained["."] })!)
        {
            made.WaitForExit();
            Assert.Equal(0, made.ExitCode);
        }
        var frames = Run("predict", "run", "clip.mp4", "--every", "2", "--out", "frames", "--json").Succeeded().Json;
        Assert.Equal([1L, 3, 5, 7], frames.EnumerateArray().Select(one => one.GetProperty("frame").GetInt64()));
        Assert.Equal([0.0, 0.5, 1, 1.5], frames.EnumerateArray().Select(one => one.GetProperty("seconds").GetDouble()));
        Assert.Equal(
            ["000001_0.000s_objects.png", "000003_0.500s_objects.png", "000005_1.000s_objects.png", "000007_1.500s_objects.png"],
            Directory.GetFiles(trained[Path.Combine("frames", "clip")]).Select(Path.GetFileName).Order(StringComparer.Ordinal)
        );
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Any(place => File.Exists(Path.Combine(place, program)));

    [Fact]
    public void Boxes_alone_are_learned_in_one_stage() => Learns("retinanet");

    // Mask R-CNN is the same with masks.
    [Fact]
    [Trait("Category", "Long")]
    public void Boxes_alone_are_learned_in_two_stages() => Learns("faster_rcnn");

    private void Learns(string head)
    {
        var boxes = Run("train", $"{head}.yaml", "--out", head, "--json").Succeeded().Json;
        Assert.InRange(boxes.GetProperty("ap50").GetDouble(), 0.3, 1);
        Assert.False(boxes.TryGetProperty("mask_ap50", out _));
    }
}
