using Tessera.Data.Formats;
using Tessera.Data.Imaging;
using Tessera.Testing;
using Tessera.Training.Drawing;

namespace Tessera.Cli.Tests;

/// <summary>A class for each pixel, all the way: folders of masks, training, eval, predict with pictures, report.</summary>
public sealed class SegmentationTests : IDisposable
{
    private const int Height = 32,
        Width = 40;

    private readonly TempFolder folder = new();

    public SegmentationTests()
    {
        for (var i = 0; i < 24; i++)
            Write(i < 16 ? "train" : "val", i);
        folder.Write("classes.txt", "ground 0 0 0\nsquare #ff8000\n");
        folder.Write(
            "recipe.yaml",
            $$"""
            model: { name: semantic_fpn, width: 16, channels: 16, dropout: 0, backbone: mit_micro_32 }
            data: { name: segmentation_folder, root: {{folder.Path}}, batch: 8 }
            augment: [ random_horizontal_flip ]
            objective: segmentation
            optimizer: { name: adamw, lr: 1e-2, weight_decay: 0 }
            schedule: { name: cosine, epochs: 40 }
            evaluation: { split: val, every: 40, batch: 4 }
            train: { threads: 1 }
            """
        );
    }

    public void Dispose() => folder.Dispose();

    private Ended Run(params string[] arguments) => CommandLineTool.Run(folder.Path, arguments);

    // A bright square before a dark ground.
    private void Write(string split, int i)
    {
        var random = new Random(i);
        var (top, left, size) = (random.Next(16), random.Next(24), random.Next(9, 14));
        var (pixels, ids) = (new byte[3 * Height * Width], new byte[Height * Width]);
        for (var y = 0; y < Height; y++)
        for (var x = 0; x < Width; x++)
        {
            var inside = y >= top && y < top + size && x >= left && x < left + size;
            ids[y * Width + x] = (byte)(inside ? 1 : 0);
            for (var c = 0; c < 3; c++)
                pixels[(y * Width + x) * 3 + c] = (byte)(random.Next(60) + (inside ? 180 : 20));
        }
        folder.Write($"{split}/images/{i:00}.ppm", Pnm.Pixels(Width, Height, pixels));
        folder.Write($"{split}/masks/{i:00}.png", Png.Encode(ids, Height, Width, 1));
    }

    [Fact]
    public void Folders_of_masks_are_trained_measured_and_drawn()
    {
        var trained = Run("train", "recipe.yaml", "--out", "run", "--json").Succeeded().Json.GetProperty("evaluation");
        var miou = trained.GetProperty("miou").GetDouble();
        // Ground everywhere has 0.45.
        Assert.InRange(miou, 0.7, 1);
        var page = File.ReadAllText(Path.Combine(folder.Path, "run", "report.html"));
        foreach (var title in (string[])["IoU per class", "Truth and prediction", "Worst images"])
            Assert.Contains(title, page, StringComparison.Ordinal);

        Assert.Equal(miou, Run("eval", "run", "--eager", "--json").Succeeded().Json.GetProperty("miou").GetDouble(), 1e-9);
        var table = Run("eval", "run").Succeeded().Output;
        Assert.Matches(@"square +[\d,]+ +\d+\.\d\d %", table);
        Assert.Contains("taken for", table, StringComparison.Ordinal);

        string[] images = [Path.Combine("val", "images", "16.ppm"), Path.Combine("val", "images", "17.ppm")];
        var said = Run(["predict", "run", .. images]).Succeeded().Output;
        Assert.Matches(@"16\.ppm +ground +\d+\.\d+ %", said);
        Assert.Contains("--out FOLDER writes the answers as pictures: NAME.png and NAME_overlay.png", said, StringComparison.Ordinal);

        var drawn = Run(["predict", "run", .. images, "--out", "maps", "--json"]).Succeeded().Json.EnumerateArray().ToArray();
        Assert.Equal(images, drawn.Select(one => one.GetProperty("file").GetString()));
        string[] names = ["16.png", "16_overlay.png", "17.png", "17_overlay.png"];
        Assert.Equal(names, Directory.GetFiles(Path.Combine(folder.Path, "maps")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(
            names.Select(name => Path.Combine("maps", name)),
            drawn.SelectMany(one => one.GetProperty("pictures").EnumerateArray().Select(path => path.GetString()))
        );
        var raw = LabelFile.Raw(Path.Combine(folder.Path, "maps", "16.png"));
        Assert.Equal((LabelFileKind.Palette, Height, Width), (raw.Head.Kind, raw.Head.Size.Height, raw.Head.Size.Width));
        Assert.Equal(((byte)255, (byte)128, (byte)0), raw.Head.Palette![1]);
        foreach (var choice in drawn[0].GetProperty("choices").EnumerateArray())
            Assert.Equal(
                raw.Counts[choice.GetProperty("label").GetInt32()] / (double)(Height * Width),
                choice.GetProperty("share").GetDouble(),
                1e-9
            );
        using var overlay = Image.Open(Path.Combine(folder.Path, "maps", "16_overlay.png"));
        Assert.True(overlay.Height > Height && overlay.Width > Width);

        var before = File.ReadAllBytes(Path.Combine(folder.Path, "maps", "16.png"));
        File.Copy(Path.Combine(folder.Path, images[0]), Path.Combine(folder.Path, "16.ppm"));
        File.Copy(Path.Combine(folder.Path, images[0]), Path.Combine(folder.Path, "16_overlay.ppm"));
        File.Copy(Path.Combine(folder.Path, "maps", "16.png"), Path.Combine(folder.Path, "16.png"));
        // Files of one name do not overwrite each other's pictures.
        var apart = Run("predict", "run", "16.ppm", images[0], "--out", "apart").Succeeded().Output;
        Assert.Contains("pictures lie in the folders of their files", apart, StringComparison.Ordinal);
        string[] written =
        [
            "16.png",
            "16_overlay.png",
            Path.Combine("val", "images", "16.png"),
            Path.Combine("val", "images", "16_overlay.png"),
        ];
        Assert.Equal(written, Pictures("apart"));
        Run("predict", "run", "16.ppm", "16_overlay.ppm", "--out", "whole").Succeeded();
        Assert.Equal(["16.ppm.png", "16.ppm_overlay.png", "16_overlay.ppm.png", "16_overlay.ppm_overlay.png"], Pictures("whole"));
        Assert.Contains(
            "the picture 16.png of 16.png would take the place of 16.png, which was given: choose another folder",
            Run("predict", "run", "16.png", "--out", ".").UserError(),
            StringComparison.Ordinal
        );
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(folder.Path, "maps", "16.png")));
        Assert.Contains("explanations need a classifier", Run("explain", "run", images[0]).UserError(), StringComparison.Ordinal);
        Assert.Contains(
            "task segmentation has no threshold",
            Run("predict", "run", "16.ppm", "--threshold", "0.5").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "--coco is for models that find objects",
            Run("predict", "run", "16.ppm", "--coco", "x.json").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "--coco-ids needs --coco",
            Run("predict", "run", "16.ppm", "--coco-ids", "x.json").UserError(),
            StringComparison.Ordinal
        );
    }

    private string[] Pictures(string name) =>
        [
            .. Directory
                .GetFiles(Path.Combine(folder.Path, name), "*", SearchOption.AllDirectories)
                .Select(file => Path.GetRelativePath(Path.Combine(folder.Path, name), file))
                .Order(StringComparer.Ordinal),
        ];
}
