using System.Text.Json;
using Tessera.Testing;

namespace Tessera.Cli.Tests;

/// <summary>A folder of images of all formats, two in a hundred of which cannot be read, each for another reason.</summary>
public sealed class UnreadableImageTests : IDisposable
{
    private const int Train = 300,
        Test = 100;
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-unreadable-").FullName;
    private readonly byte[][] good;
    private readonly string[] extensions;

    public UnreadableImageTests()
    {
        string[] files = [.. Directory.GetFiles(Repository.Tests("samples", "images")).Order(StringComparer.Ordinal)];
        (good, extensions) = ([.. files.Select(File.ReadAllBytes)], [.. files.Select(file => Path.GetExtension(file))]);
        for (var i = 0; i < Train - 5; i++)
            WriteGood("train", i);
        for (var i = 0; i < Test - 2; i++)
            WriteGood("test", i);
        var jpeg = File.ReadAllBytes(Repository.Tests("samples", "images", "baseline.jpg"));
        WriteBad("train", "empty.jpg", []);
        WriteBad("train", "truncated.jpg", jpeg[..(jpeg.Length / 2)]);
        WriteBad("train", "text.png", "this is no picture"u8.ToArray());
        WriteBad("train", "magic.jpg", [0, 1, 2, 3, .. jpeg[4..]]);
        WriteBad("train", "huge.png", HugePng());
        // A link that leads nowhere is no image, and the run says so.
        File.CreateSymbolicLink(Path.Combine(folder, "images", "train", "b", "gone.jpg"), Path.Combine(folder, "nowhere.jpg"));
        WriteBad("test", "empty.png", []);
        WriteBad("test", "forbidden.jpg", "not for everyone"u8.ToArray());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Path.Combine(folder, "images", "test", "b", "forbidden.jpg"), UnixFileMode.None);
        // A folder with the name of an image is a folder.
        Directory.CreateDirectory(Path.Combine(folder, "images", "train", "a", "folder.jpg"));
        File.WriteAllText(
            Path.Combine(folder, "recipe.yaml"),
            $$"""
            model: { name: cct_2_3x2_32, image_size: 16 }
            data: { name: image_folder, root: {{folder}}/images, batch: 30, workers: 2 }
            augment: [ resized_crop: { size: 16 }, flip ]
            objective: { name: supervised }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2, warmup: 0.5 }
            train: { threads: 1, ema: 0.9, log_every: 3, checkpoint_every: 4 }
            """
        );
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void WriteGood(string split, int i) =>
        Write(split, i % 2 == 0 ? "a" : "b", $"{i:D3}{extensions[i % good.Length]}", good[i % good.Length]);

    private void WriteBad(string split, string name, byte[] content) => Write(split, "b", name, content);

    private void Write(string split, string label, string name, byte[] content)
    {
        var place = Path.Combine(folder, "images", split, label);
        Directory.CreateDirectory(place);
        File.WriteAllBytes(Path.Combine(place, name), content);
    }

    // A header that announces 60,000 x 60,000 pixels.
    private static byte[] HugePng()
    {
        var png = File.ReadAllBytes(Repository.Tests("samples", "images", "colour.png"));
        (png[16], png[17], png[18], png[19]) = (0, 0, 0xEA, 0x60);
        (png[20], png[21], png[22], png[23]) = (0, 0, 0xEA, 0x60);
        return png;
    }

    private Ended Run(params string[] arguments) => CommandLineTool.Run(folder, arguments);

    private JsonElement[] Log(string run) =>
        [.. File.ReadLines(Path.Combine(folder, run, "log.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];

    private string[] Unreadable(string run) =>
        [
            .. Log(run)
                .Where(line => line.GetProperty("kind").GetString() == "unreadable")
                .Select(line =>
                    $"{line.GetProperty("step")} {line.GetProperty("split")} {Path.GetFileName(line.GetProperty("file").GetString())}"
                ),
        ];

    [Fact]
    public void Two_in_a_hundred_stop_a_training_only_where_the_recipe_says_so()
    {
        var line = Run("train", "recipe.yaml", "--set", "data.unreadable_allowed=3", "--out", "stopped", "--quiet").UserError();
        Assert.Contains(
            "4 of 300 images cannot be read, more than the limit of 1 % (data.unreadable_limit)",
            line,
            StringComparison.Ordinal
        );
        Run("train", "recipe.yaml", "--set", "data.unreadable_limit=0", "--out", "none", "--quiet").UserError();

        // Nine are allowed in any case.
        var ended = Run("train", "recipe.yaml", "--out", "run").Succeeded();
        Assert.Contains("without 2 unreadable images", ended.Output, StringComparison.Ordinal);
        Assert.All(Log("run").Where(line => line.GetProperty("kind").GetString() == "evaluation"), line =>
            Assert.Equal(2, line.GetProperty("unreadable").GetInt32())
        );
        Assert.Contains("cannot be read: an empty file", ended.Output, StringComparison.Ordinal);
        Assert.Contains("1 link that leads nowhere was left out", ended.Output, StringComparison.Ordinal);
        Assert.Matches(@"unreadable images +7\b", ended.Output);
        string[] train = ["empty.jpg", "truncated.jpg", "text.png", "magic.jpg", "huge.png"];
        Assert.Equal(
            train.Order(),
            Unreadable("run")
                .Where(found => found.Contains(" train ", StringComparison.Ordinal))
                .Select(found => found.Split(' ')[2])
                .Order()
        );
        Assert.Equal(
            ["empty.png", "forbidden.jpg"],
            Unreadable("run").Where(found => found.Contains(" test ", StringComparison.Ordinal)).Select(found => found.Split(' ')[2])
        );
        var page = File.ReadAllText(Path.Combine(folder, "run", "report.html"));
        Assert.Contains("Unreadable images", page, StringComparison.Ordinal);
        foreach (var name in train.Append("forbidden.jpg"))
            Assert.Contains(name, page, StringComparison.Ordinal);
        Assert.Contains("98 test images", page, StringComparison.Ordinal);

        var measured = Run("eval", "run", "--json").Succeeded().Json;
        Assert.Equal(98, measured.GetProperty("evaluation").GetProperty("count").GetInt32());
        Assert.Equal(
            ["empty.png", "forbidden.jpg"],
            measured.GetProperty("unreadable").EnumerateArray().Select(image => Path.GetFileName(image.GetProperty("file").GetString()))
        );
    }

    [Fact]
    [Trait("Category", "Long")]
    public void Log_and_weights_do_not_depend_on_workers_or_stops()
    {
        string[] settings = ["train", "recipe.yaml", "--set", "data.unreadable_limit=0.03", "--quiet"];
        Run([.. settings, "--out", "two"]).Succeeded();
        Run([.. settings, "--set", "data.workers=0", "--out", "none"]).Succeeded();
        Run([.. settings, "--set", "data.workers=4", "--out", "four"]).Succeeded();
        // Back to a checkpoint in the middle of the second epoch.
        foreach (var later in Directory.GetDirectories(Path.Combine(folder, "four", "checkpoints")).Order().Skip(1))
            Directory.Delete(later, recursive: true);
        Run("train", "--resume", "four", "--quiet").Succeeded();
        byte[] Weights(string run) =>
            File.ReadAllBytes(
                Directory
                    .GetFiles(Path.Combine(folder, run, "checkpoints"), "model.safetensors", SearchOption.AllDirectories)
                    .Order()
                    .Last()
            );
        foreach (var run in (string[])["none", "four"])
        {
            Assert.Equal(Unreadable("two"), Unreadable(run));
            Assert.Equal(Weights("two"), Weights(run));
        }
    }
}
