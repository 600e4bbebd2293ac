using System.Text.Json;
using Tessera.Checkpoints;
using Tessera.Testing;
using Tessera.Training.Drawing;

namespace Tessera.Cli.Tests;

/// <summary>
/// From pictures without labels to models for other tasks: a backbone is trained on a flat folder, and every recipe takes it up.
/// </summary>
public sealed class PicturesTests : IDisposable
{
    private const int Side = 32,
        Count = 30;

    private readonly TempFolder folder = new();

    public PicturesTests()
    {
        for (var i = 0; i < Count; i++)
        {
            var (pixels, ids) = Picture(i);
            var file = Pnm.Pixels(Side, Side, pixels);
            folder.Write($"photos/{i:00}.ppm", file);
            var split = i < Count * 2 / 3 ? "train" : "val";
            folder.Write($"classes/{split}/{(i % 2 == 0 ? "left" : "right")}/{i:00}.ppm", file);
            folder.Write($"maps/{split}/images/{i:00}.ppm", file);
            folder.Write($"maps/{split}/masks/{i:00}.png", Png.Encode(ids, Side, Side, 1));
        }
        folder.Write("maps/classes.txt", "ground\nsquare\n");
        foreach (var split in (string[])["train", "val"])
            folder.Write($"boxes/{split}.json", Boxes(split));
        folder.Write(
            "pretrain.yaml",
            """
            model: { name: vit_micro_patch4_32, image_size: 32 }
            data: { name: pictures, root: photos, batch: 9 }
            augment: [ random_resized_crop: { size: 32, min_scale: 0.5 }, random_horizontal_flip ]
            objective: { name: masked_autoencoder, dim: 16, depth: 1, heads: 2 }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2 }
            train: { threads: 1 }
            """
        );
    }

    public void Dispose() => folder.Dispose();

    private Ended Run(params string[] arguments) => CommandLineTool.Run(folder.Path, arguments);

    private static int Left(int i) => (i % 2 == 0 ? 2 : 18) + i % 3;

    // A bright square, at the left or at the right.
    private static (byte[] Pixels, byte[] Ids) Picture(int i)
    {
        var random = new Random(i);
        var (pixels, ids) = (new byte[3 * Side * Side], new byte[Side * Side]);
        for (var y = 0; y < Side; y++)
        for (var x = 0; x < Side; x++)
        {
            var inside = y is >= 10 and < 20 && x >= Left(i) && x < Left(i) + 10;
            ids[y * Side + x] = (byte)(inside ? 1 : 0);
            for (var c = 0; c < 3; c++)
                pixels[(y * Side + x) * 3 + c] = (byte)(random.Next(60) + (inside ? 180 : 20));
        }
        return (pixels, ids);
    }

    private string Boxes(string split)
    {
        var all = Enumerable.Range(0, Count).Where(i => i < Count * 2 / 3 == (split == "train")).ToArray();
        foreach (var i in all)
            folder.Write($"boxes/{split}/{i:00}.ppm", Pnm.Pixels(Side, Side, Picture(i).Pixels));
        var images = all.Select(i => $$"""{ "id": {{i}}, "width": {{Side}}, "height": {{Side}}, "file_name": "{{i:00}}.ppm" }""");
        var objects = all.Select(i =>
            $$"""{ "id": {{i}}, "image_id": {{i}}, "category_id": 1, "bbox": [{{Left(i)}}, 10, 10, 10], "area": 100, "iscrowd": 0 }"""
        );
        return $$"""
            { "images": [{{string.Join(", ", images)}}], "annotations": [{{string.Join(", ", objects)}}],
              "categories": [{ "id": 1, "name": "square" }] }
            """;
    }

    [Fact]
    public void A_backbone_of_pictures_goes_into_classification_segmentation_and_detection()
    {
        var trained = Run("train", "pretrain.yaml", "--out", "run").Succeeded();
        Assert.Contains(
            "measured on 3 of the pictures, which are held out (data.minival=0.1)",
            trained.Error + trained.Output,
            StringComparison.Ordinal
        );
        Assert.Contains("27 images to learn from", trained.Output + trained.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("top-1", trained.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("top1", File.ReadAllText(folder["run/log.jsonl"]), StringComparison.Ordinal);
        Assert.Equal(27 + 1, File.ReadAllLines(folder["run/samples.txt"]).Length);
        Assert.Contains("never trained", Run("predict", "run", "photos/00.ppm").UserError(), StringComparison.Ordinal);

        Recipe("classify", "{ name: vit_micro_patch4_32, image_size: 32, weights: run }", "image_folder, root: classes", "supervised");
        Recipe("probe", "{ name: vit_micro_patch4_32, image_size: 32, weights: run }", "image_folder, root: classes", "linear_probe");
        const string Backbone = "backbone: { name: vit_micro_patch4_32, image_size: 32, weights: run }";
        Recipe(
            "segment",
            $"{{ name: semantic_fpn, width: 16, channels: 16, {Backbone} }}",
            "segmentation_folder, root: maps",
            "segmentation"
        );
        Recipe("detect", $"{{ name: retinanet, width: 16, convs: 1, {Backbone} }}", "coco_json, root: boxes", "detection");
        foreach (var name in (string[])["classify", "probe", "segment", "detect"])
            Run("train", $"{name}.yaml", "--out", name, "--json").Succeeded();
        using var scope = new Scope();
        var learned = Weight("run");
        foreach (var name in (string[])["classify", "probe", "segment", "detect"])
            Assert.Equal(learned, Weight(name));
    }

    // Of the first block, after the last step.
    private float[] Weight(string run)
    {
        using var file = Checkpoint.Open(
            Directory.GetFiles(folder[$"{run}/checkpoints"], "model.safetensors", SearchOption.AllDirectories).Max()!
        );
        return file.StateDict()
            .ToTensors()
            .Single(entry => entry.Key.EndsWith("blocks.0.attn.qkv.weight", StringComparison.Ordinal))
            .Value.ToArray<float>();
    }

    private void Recipe(string name, string model, string data, string objective) =>
        folder.Write(
            $"{name}.yaml",
            $$"""
            model: {{model}}
            data: { name: {{data}}, batch: 8 }
            augment: [{{(objective == "detection" ? " pad_batch: 32 " : "")}}]
            objective: {{objective}}
            optimizer: { name: adamw, lr: 1e-15, weight_decay: 0 }
            schedule: { name: cosine, epochs: 1 }
            evaluation: { split: val{{(objective == "detection" ? ", transforms: [ pad_batch: 32 ]" : "")}} }
            train: { threads: 1 }
            """
        );

    [Theory]
    [InlineData("{ name: simclr, form: htdt, dim: 8, hidden: 16, unmix: { probability: 0.5 } }")]
    [InlineData("{ name: byol, form: htdt, dim: 8, hidden: 16 }")]
    [InlineData("{ name: moco, queue: 18, dim: 8 }")]
    [InlineData("{ name: w_mse, dim: 4, hidden: 16 }")]
    public void Methods_of_two_views_learn_from_pictures_and_measure_no_accuracy(string objective)
    {
        const string View = "[random_resized_crop: { size: 32, min_scale: 0.5 }, random_horizontal_flip]";
        Run("train", "pretrain.yaml", "--out", "run", "--set", $"objective={objective}", "--set", $"augment={{ views: [{View}, {View}] }}")
            .Succeeded();
        using var results = JsonDocument.Parse(File.ReadAllText(folder["run/results.json"]));
        var figures = results.RootElement.GetProperty("evaluation").GetProperty("scalars");
        Assert.True(figures.GetProperty("effective_rank").GetDouble() >= 1);
        Assert.DoesNotContain(figures.EnumerateObject(), figure => figure.Name is "knn_top1" or "probe_top1");
        Assert.DoesNotContain("probe", File.ReadAllText(folder["run/log.jsonl"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_that_comes_later_is_no_part_of_a_run_that_goes_on()
    {
        Run("train", "pretrain.yaml", "--out", "run").Succeeded();
        folder.Write("photos/99.ppm", Pnm.Pixels(Side, Side, Picture(99).Pixels));
        Assert.Contains("new training samples", Run("train", "--resume", "run").UserError(), StringComparison.Ordinal);
        File.Delete(folder["photos/99.ppm"]);
        Run("train", "--resume", "run").Succeeded();
    }

    [Theory]
    [InlineData("objective=supervised", "without labels there are ")]
    [InlineData("data.per_class=2", "data.per_class needs samples with classes")]
    [InlineData("data.name=image_folder", "data.name=pictures")]
    public void What_pictures_cannot_do_is_refused_with_what_can_be_done(string setting, string expected) =>
        Assert.Contains(expected, Run("train", "pretrain.yaml", "--out", "run", "--set", setting).UserError(), StringComparison.Ordinal);
}
