using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Testing;
using Tessera.Training.Drawing;

namespace Tessera.Cli.Tests;

/// <summary>Objects in images, all the way: COCO json, training, eval, predict with pictures and results, report.</summary>
public sealed class DetectionTests : IDisposable
{
    private const int Height = 48,
        Width = 64,
        Training = 16,
        Measured = 8;

    // Numbers of categories have gaps, and are no order.
    private static readonly long[] categories = [9, 2];

    private readonly TempFolder folder = new();

    public DetectionTests()
    {
        Write("train", 0, Training);
        Write("val", 100, Measured);
        folder.Write("faster_rcnn.yaml", Recipe("faster_rcnn", ""));
        folder.Write("mask_rcnn.yaml", Recipe("mask_rcnn", "mask_convolutions: 1"));
    }

    public void Dispose() => folder.Dispose();

    private Ended Run(params string[] arguments) => CommandLineTool.Run(folder.Path, arguments);

    private string Recipe(string head, string more) =>
        $$"""
            model:
              name: {{head}}
              width: 24
              fc_width: 48
              {{more}}
              rois: { sampled: 32 }
              rpn: { training_candidates: 200, training_proposals: 80, candidates: 200, proposals: 60 }
              backbone: { name: mit_micro_32, drop_path: 0 }
            data: { name: coco_json, root: {{folder.Path}}, batch: 4 }
            augment: [ random_horizontal_flip, pad_batch: 32 ]
            objective: detection
            optimizer: { name: adamw, lr: 2e-3, weight_decay: 0 }
            schedule: { name: cosine, epochs: 25, warmup: 1 }
            evaluation: { split: val, every: 25, batch: 4, transforms: [ pad_batch: 32 ] }
            train: { threads: 1, clip_grad: 10 }
            """;

    // A red rectangle or a green triangle before a dark ground; every fourth image has nothing, and one a group.
    private void Write(string split, int first, int count)
    {
        var (images, objects) = (new JsonArray(), new JsonArray());
        for (var i = first; i < first + count; i++)
        {
            var random = new Random(i);
            var (label, top, left) = (i % 4 == 3 ? -1 : i % 2, random.Next(22), random.Next(36));
            var (height, width) = (random.Next(16, 24), random.Next(16, 24));
            var pixels = new byte[3 * Height * Width];
            for (var y = 0; y < Height; y++)
            for (var x = 0; x < Width; x++)
            {
                var inBox = label >= 0 && y >= top && y < top + height && x >= left && x < left + width;
                var inside = inBox && (label == 0 || (x - left + 0.5) * height <= (y - top + 0.5) * width);
                for (var c = 0; c < 3; c++)
                    pixels[(y * Width + x) * 3 + c] = (byte)(random.Next(60) + (inside && c == label ? 190 : 10));
            }
            var name = string.Create(CultureInfo.InvariantCulture, $"{i:000000}.ppm");
            folder.Write($"images/{name}", Pnm.Pixels(Width, Height, pixels));
            images.Add(new JsonObject { ["id"] = i, ["file_name"] = name, ["height"] = Height, ["width"] = Width });
            if (label < 0)
                continue;
            double[] points =
                label == 0
                    ? [left, top, left + width, top, left + width, top + height, left, top + height]
                    : [left, top, left + width, top + height, left, top + height];
            objects.Add(Annotation(objects.Count + 1, i, label, [left, top, width, height], points, isCrowd: i == first + 1));
        }
        var json = new JsonObject
        {
            ["images"] = images,
            ["annotations"] = objects,
            ["categories"] = new JsonArray(
                new JsonObject { ["id"] = categories[1], ["name"] = "triangle" },
                new JsonObject { ["id"] = categories[0], ["name"] = "rectangle" }
            ),
        };
        folder.Write($"annotations/instances_{split}.json", json.ToJsonString());
    }

    private static JsonObject Annotation(int id, int image, int label, double[] box, double[] points, bool isCrowd)
    {
        JsonNode shape = isCrowd
            ? new JsonObject
            {
                ["size"] = new JsonArray(Height, Width),
                ["counts"] = InstanceMask.FromPolygons(new(Height, Width), [points]).ToText(),
            }
            : new JsonArray(new JsonArray([.. points.Select(value => JsonValue.Create(value))]));
        return new()
        {
            ["id"] = id,
            ["image_id"] = image,
            ["category_id"] = categories[label],
            ["bbox"] = new JsonArray([.. box.Select(value => JsonValue.Create(value))]),
            ["area"] = label == 0 ? box[2] * box[3] : box[2] * box[3] / 2,
            ["iscrowd"] = isCrowd ? 1 : 0,
            ["segmentation"] = shape,
        };
    }

    [Fact]
    public void Objects_are_learned_measured_drawn_and_written()
    {
        var trained = Run("train", "mask_rcnn.yaml", "--out", "run", "--json").Succeeded();
        var ap50 = trained.Json.GetProperty("ap50").GetDouble();
        // Boxes at random, or one in the middle of each image, stay below 0.1.
        Assert.InRange(ap50, 0.3, 1);
        Assert.InRange(trained.Json.GetProperty("mask_ap50").GetDouble(), 0.2, 1);
        Assert.Equal("ap", trained.Json.GetProperty("score").GetProperty("name").GetString());
        var page = File.ReadAllText(Path.Combine(folder.Path, "run", "report.html"));
        foreach (var title in (string[])["Precision and recall", "Truth and prediction", "Per class", "Per size", "Remarks"])
            Assert.Contains($"<h2>{title}</h2>", page, StringComparison.Ordinal);
        // Four have nothing, and one has a group alone.
        Assert.Contains("1 of 12 objects of train are groups or ignored", page, StringComparison.Ordinal);
        Assert.Contains("5 of 16 images of train have no objects", page, StringComparison.Ordinal);

        Assert.Equal(ap50, Run("eval", "run", "--json").Succeeded().Json.GetProperty("ap50").GetDouble(), 1e-9);
        var table = Run("eval", "run").Succeeded().Output;
        Assert.Matches(@"rectangle +\d+ +\d+ +\d+\.\d\d %", table);

        var drawn = Run("predict", "run", "images", "--out", "found", "--coco", "found.json", "--threshold", "0.3", "--json").Succeeded();
        var answers = drawn.Json.EnumerateArray().ToArray();
        Assert.Equal(Training + Measured, answers.Length);
        Assert.Equal(Training + Measured, Directory.GetFiles(Path.Combine(folder.Path, "found"), "*_objects.png").Length);
        using (var picture = Image.Open(Path.Combine(folder.Path, "found", "000100_objects.png")))
            Assert.Equal((5 * Height, 5 * Width), (picture.Height, picture.Width));
        var choices = answers.SelectMany(one => one.GetProperty("choices").EnumerateArray()).ToArray();
        Assert.NotEmpty(choices);
        Assert.All(choices, one => Assert.InRange(one.GetProperty("score").GetDouble(), 0.3, 1));
        Assert.All(choices, one => Assert.InRange(one.GetProperty("box").GetProperty("right").GetDouble(), 0, Width));

        var results = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.Path, "found.json"))).RootElement.EnumerateArray().ToArray();
        Assert.True(results.Length >= choices.Length);
        Assert.All(results, one => Assert.Contains(one.GetProperty("category_id").GetInt64(), categories));
        // Files are named by their numbers.
        Assert.All(results, one => Assert.InRange(one.GetProperty("image_id").GetInt64(), 0, 100 + Measured - 1));
        var shape = results[0].GetProperty("segmentation");
        Assert.Equal(Height * Width, InstanceMask.FromText(new(Height, Width), shape.GetProperty("counts").GetString()!).ToCounts().Sum());

        var said = Run("predict", "run", Path.Combine("images", "000100.ppm"), Path.Combine("images", "000103.ppm"), "--threshold", "0").Succeeded();
        Assert.Matches(@"000100\.ppm +(rectangle|triangle) +\d+\.\d+ % +\d+, \d+ - \d+, \d+", said.Output);
        Assert.Contains("--out FOLDER writes the answers as pictures: NAME_objects.png", said.Output, StringComparison.Ordinal);
        var none = Run("predict", "run", Path.Combine("images", "000103.ppm"), "--threshold", "1").Succeeded().Output;
        Assert.Contains("nothing was found in", none, StringComparison.Ordinal);

        Assert.Contains("explanations need a classifier", Run("explain", "run", Path.Combine("images", "000100.ppm")).UserError(), StringComparison.Ordinal);
        Assert.Contains("--threshold must be from 0 to 1", Run("predict", "run", "x.png", "--threshold", "2").Error, StringComparison.Ordinal);
        Assert.Contains(
            "--every is for the frames of videos",
            Run("predict", "run", Path.Combine("images", "000100.ppm"), "--every", "2").UserError(),
            StringComparison.Ordinal
        );
        Videos();
    }

    // Where ffmpeg is missing, one line says so.
    private void Videos()
    {
        File.Copy(Path.Combine(folder.Path, "images", "000100.ppm"), Path.Combine(folder.Path, "clip.mp4"));
        var nowhere = new Dictionary<string, string> { ["PATH"] = folder["nowhere"] };
        var host = Environment.ProcessPath!;
        if (Path.IsPathRooted(host) && host.EndsWith("dotnet", StringComparison.Ordinal))
            Assert.Contains(
                "frames of videos need the program ffmpeg, which is not on the PATH: install ffmpeg (Debian: apt-get install ffmpeg)",
                CommandLineTool.Run(folder.Path, ["predict", "run", "clip.mp4"], nowhere).UserError(),
                StringComparison.Ordinal
            );
        if (!IsInstalled("ffmpeg"))
        {
            Assert.Contains("frames of videos need the program ffmpeg", Run("predict", "run", "clip.mp4").UserError(), StringComparison.Ordinal);
            return;
        }
        File.Delete(Path.Combine(folder.Path, "clip.mp4"));
        using (
            var made = Process.Start(
                new ProcessStartInfo(
                    "ffmpeg",
                    [
                        "-v", "error", "-framerate", "4", "-start_number", "100", "-i", Path.Combine("images", "%06d.ppm"), "-c:v", "mpeg4",
                        "-q:v", "2", "clip.mp4",
                    ]
                )
                {
                    WorkingDirectory = folder.Path,
                }
            )!
        )
        {
            made.WaitForExit();
            Assert.Equal(0, made.ExitCode);
        }
        var frames = Run("predict", "run", "clip.mp4", "--every", "2", "--out", "frames", "--json").Succeeded().Json.EnumerateArray().ToArray();
        Assert.Equal([1L, 3, 5, 7], frames.Select(one => one.GetProperty("frame").GetInt64()));
        Assert.Equal([0.0, 0.5, 1, 1.5], frames.Select(one => one.GetProperty("seconds").GetDouble()));
        Assert.Equal(
            ["000001_0.000s_objects.png", "000003_0.500s_objects.png", "000005_1.000s_objects.png", "000007_1.500s_objects.png"],
            Directory.GetFiles(Path.Combine(folder.Path, "frames", "clip")).Select(Path.GetFileName).Order(StringComparer.Ordinal)
        );
        // A file that is no video is one line, and the others go on.
        folder.Write("damaged.mp4", "no video");
        var damaged = Run("predict", "run", "damaged.mp4", Path.Combine("images", "000100.ppm"), "--quiet");
        Assert.Equal(2, damaged.Code);
        Assert.StartsWith("tessera: damaged.mp4: ", damaged.Error, StringComparison.Ordinal);
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(place => File.Exists(Path.Combine(place, program)));

    [Fact]
    public void Boxes_alone_are_learned_by_another_head()
    {
        var trained = Run("train", "faster_rcnn.yaml", "--out", "boxes", "--json").Succeeded().Json;
        Assert.InRange(trained.GetProperty("ap50").GetDouble(), 0.3, 1);
        Assert.False(trained.TryGetProperty("mask_ap50", out _));
    }
}
