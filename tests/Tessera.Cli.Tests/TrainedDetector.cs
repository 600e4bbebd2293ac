using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Testing;

namespace Tessera.Cli.Tests;

/// <summary>Shapes in COCO json, and a Mask R-CNN that was trained on them by the command line.</summary>
public sealed class TrainedDetector : IDisposable
{
    internal const int Height = 48,
        Width = 64,
        Training = 16,
        Measured = 8;

    // Numbers of categories have gaps, and are no order.
    internal static IReadOnlyList<long> Categories { get; } = [9, 2];

    private readonly TempFolder folder = new();

    public TrainedDetector()
    {
        Write("train", 0, Training);
        Write("val", 100, Measured);
        const string TwoStages =
            "fc_width: 48, rois: { sampled: 32 }, "
            + "rpn: { training_candidates: 200, training_proposals: 80, candidates: 200, proposals: 60 }";
        folder.Write("retinanet.yaml", Recipe("retinanet", "convs: 1, candidates: 200"));
        folder.Write("faster_rcnn.yaml", Recipe("faster_rcnn", TwoStages));
        folder.Write("mask_rcnn.yaml", Recipe("mask_rcnn", $"mask_convolutions: 1, {TwoStages}"));
        Trained = Run("train", "mask_rcnn.yaml", "--out", "run", "--json").Succeeded().Json;
    }

    public void Dispose() => folder.Dispose();

    /// <summary>What training has printed.</summary>
    internal JsonElement Trained { get; }

    /// <summary>The place of a file.</summary>
    internal string this[string name] => folder[name];

    internal void Write(string name, string text) => folder.Write(name, text);

    internal Ended Run(params string[] arguments) => CommandLineTool.Run(folder.Path, arguments);

    internal Ended Run(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        CommandLineTool.Run(folder.Path, arguments, environment);

    private string Recipe(string head, string more) =>
        $$"""
            model: { name: {{head}}, width: 24, {{more}}, backbone: { name: mit_micro_32, drop_path: 0 } }
            data: { name: coco_json, root: {{folder.Path}}, batch: 4 }
            augment: [ random_horizontal_flip, pad_batch: 32 ]
            objective: detection
            optimizer: { name: adamw, lr: 2e-3, weight_decay: 0 }
            schedule: { name: cosine, epochs: 20, warmup: 1 }
            evaluation: { split: val, every: 20, batch: 4, transforms: [ pad_batch: 32 ] }
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
            images.Add(
                new JsonObject
                {
                    ["id"] = i,
                    ["file_name"] = name,
                    ["height"] = Height,
                    ["width"] = Width,
                }
            );
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
                new JsonObject { ["id"] = Categories[1], ["name"] = "triangle" },
                new JsonObject { ["id"] = Categories[0], ["name"] = "rectangle" }
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
            ["category_id"] = Categories[label],
            ["bbox"] = new JsonArray([.. box.Select(value => JsonValue.Create(value))]),
            ["area"] = label == 0 ? box[2] * box[3] : box[2] * box[3] / 2,
            ["iscrowd"] = isCrowd ? 1 : 0,
            ["segmentation"] = shape,
        };
    }
}
