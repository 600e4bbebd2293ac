using System.Globalization;
using System.Text.Json;
using Tessera.Testing;

namespace Tessera.Cli.Tests;

/// <summary>Recipes that come with the program train on tiny made-up data in the format of the set that they are for.</summary>
public sealed class RecipeFormatTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-formats-").FullName;
    private readonly byte[][] photographs =
    [
        .. Directory.GetFiles(Repository.Tests("samples", "images"), "*.jpg").Order(StringComparer.Ordinal).Select(File.ReadAllBytes),
    ];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Write(string path, byte[] content) => File.WriteAllBytes(Place(path), content);

    private void Write(string path, IEnumerable<string> lines) => File.WriteAllLines(Place(path), lines);

    private string Place(string path)
    {
        var full = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        return full;
    }

    /// <summary>One epoch of a recipe; how many samples it was measured on, and the names of the classes.</summary>
    private (int Tested, string[] Classes) Train(string recipe, params string[] settings)
    {
        string[] all = [$"data.root={folder}", "schedule.epochs=1", "schedule.warmup=0", "train.threads=1", .. settings];
        var result = CommandLineTool
            .Run(folder, ["train", recipe, "--out", "run", "--json", .. all.SelectMany(setting => new[] { "--set", setting })])
            .Succeeded()
            .Json;
        Assert.Contains(File.ReadLines(Path.Combine(folder, "run", "log.jsonl")), line =>
            line.Contains("\"kind\":\"step\"", StringComparison.Ordinal)
        );
        var evaluation = Read("results").GetProperty("evaluation");
        var correct = evaluation.GetProperty("confusion").EnumerateArray().Select((row, label) => row[label].GetInt32()).Sum();
        Assert.Equal(correct, result.GetProperty("top1").GetDouble() * evaluation.GetProperty("count").GetInt32(), 1e-9);
        return (
            evaluation.GetProperty("count").GetInt32(),
            [.. Read("bundle/bundle").GetProperty("data").GetProperty("classes").EnumerateArray().Select(name => name.GetString()!)]
        );

        JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "run", $"{name}.json"))).RootElement;
    }

    private static IEnumerable<string> Lines(int count, Func<int, string> line) => Enumerable.Range(0, count).Select(line);

    [Fact]
    public void News_of_four_topics()
    {
        string[] words = ["war", "ball", "stock", "chip"];
        foreach (var (split, count) in new[] { ("train", 24), ("test", 8) })
            Write(
                $"ag_news/{split}.csv",
                Lines(count, i => $"\"{i % 4 + 1}\",\"Title {words[i % 4]}\",\"Some \"\"{words[i % 4]}\"\" news\\nnumber {i}\"")
            );
        Assert.Equal(8, Train("cct/text_cct_2_k4_ag_news", "data.batch=8").Tested);
    }

    [Fact]
    public void Phrases_of_reviews()
    {
        foreach (var (split, count) in new[] { ("train", 24), ("dev", 8) })
            Write(
                $"SST-2/{split}.tsv",
                Lines(count, i => $"a {(i % 2 == 0 ? "bleak" : "lovely")} film number {i} \t{i % 2}").Prepend("sentence\tlabel")
            );
        Assert.Equal(["negative", "positive"], Train("cct/text_cct_2_k2_sst2", "data.batch=8").Classes);
    }

    [Fact]
    public void Questions_of_six_kinds()
    {
        string[] kinds = ["ABBR:exp", "DESC:manner", "ENTY:animal", "HUM:ind", "LOC:other", "NUM:date"];
        foreach (var (file, count) in new[] { ("train_5500", 24), ("TREC_10", 12) })
            Write($"trec/{file}.label", Lines(count, i => $"{kinds[i % 6]} What about {kinds[i % 6][..3]} number {i} ?"));
        Assert.Equal(12, Train("cct/text_cct_4_k2_trec", "data.batch=8").Tested);
    }

    [Fact]
    public void ImageNet_with_flat_validation_images_and_the_development_kit()
    {
        foreach (var (label, i) in from label in new[] { "n01", "n02", "n03" } from i in Enumerable.Range(0, 8) select (label, i))
            Write($"imagenet/train/{label}/{label}_{i}.JPEG", photographs[i % photographs.Length]);
        for (var i = 1; i <= 6; i++)
            Write($"imagenet/val/ILSVRC2012_val_{i:D8}.JPEG", photographs[i % photographs.Length]);
        const string kit = "imagenet/ILSVRC2012_devkit_t12/data";
        Write($"{kit}/ILSVRC2012_validation_ground_truth.txt", Lines(6, i => (i % 3 + 1).ToString(CultureInfo.InvariantCulture)));
        Write(
            $"{kit}/meta.mat",
            MatWriter.Structures(
                "synsets",
                [
                    .. new[] { "n03", "n01", "n02" }.Select(
                        (name, i) => new (string, object)[] { ("ILSVRC2012_ID", i + 1.0), ("WNID", name), ("num_children", 0.0) }
                    ),
                ]
            )
        );
        var (tested, classes) = Train(
            "deit/deit_tiny_imagenet",
            "data.batch=4",
            "data.workers=2",
            "model.name=vit_micro_patch4_32",
            "augment.0.resized_crop.size=32"
        );
        Assert.Equal(6, tested);
        Assert.Equal(["n01", "n02", "n03"], classes);
    }

    [Fact]
    public void Flowers_with_their_matlab_files()
    {
        foreach (var file in new[] { "imagelabels.mat", "setid.mat" })
            Write($"flowers-102/{file}", File.ReadAllBytes(Repository.Tests("goldens", "datasets", file)));
        for (var i = 1; i <= 12; i++)
            Write($"flowers-102/jpg/image_{i:D5}.jpg", photographs[i % photographs.Length]);
        var (tested, classes) = Train(
            "cct/cct_7_7x2_flowers102",
            "data.batch=3",
            "model.name=cct_2_3x2_32",
            "augment.0.resized_crop.size=32",
            "schedule.cooldown=0"
        );
        Assert.Equal((3, 102), (tested, classes.Length));
    }
}
