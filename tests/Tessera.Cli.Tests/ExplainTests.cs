using Tessera.Cli.Shell;

namespace Tessera.Cli.Tests;

public sealed class ExplainTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    [Fact]
    public void Explaining_a_run_writes_pictures_and_a_page_that_stands_alone()
    {
        string[] files = [run.Place.WriteImage("two.png", 2), run.Place.WriteImage("seven.png", 7)];
        var result = run.Place.Run(["explain", TrainedRun.Name, .. files, "--out", "pictures", "--json"]).Succeeded().Json;
        foreach (var image in result.GetProperty("images").EnumerateArray())
        {
            string[] pictures = [.. image.GetProperty("pictures").EnumerateArray().Select(p => p.GetString()!)];
            Assert.Equal(
                ["image", "roll-out", "grad-cam", "sequence-pooling"],
                pictures.Select(p => Path.GetFileNameWithoutExtension(p).Split('-', 3)[2])
            );
            Assert.All(pictures, p =>
                Assert.Equal([0x89, .. "PNG"u8], File.ReadAllBytes(Path.Combine(run.Place.Folder, p)).AsSpan(0, 4).ToArray())
            );
            var maps = pictures.Select(p => Convert.ToBase64String(File.ReadAllBytes(Path.Combine(run.Place.Folder, p))));
            Assert.Equal(4, maps.Distinct().Count());
        }
        var page = File.ReadAllText(Path.Combine(run.Place.Folder, result.GetProperty("page").GetString()!));
        Assert.Contains("seven.png", page, StringComparison.Ordinal);
        Assert.Equal(8, page.Split("src=\"data:image/png;base64,").Length - 1);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Grad_cam_speaks_of_the_class_that_is_named()
    {
        var file = run.Place.WriteImage("one.png", 1);
        byte[] Picture(string label)
        {
            var result = run
                .Place.Run("explain", TrainedRun.Name, file, "--out", $"of-{label}", "--class", label, "--json")
                .Succeeded()
                .Json;
            return File.ReadAllBytes(
                Path.Combine(run.Place.Folder, result.GetProperty("images")[0].GetProperty("pictures")[2].GetString()!)
            );
        }
        Assert.Equal(Picture("Trouser"), Picture("1"));
        Assert.NotEqual(Picture("1"), Picture("8"));
    }

    [Fact]
    public void A_file_that_is_no_image_costs_only_its_own_pictures()
    {
        var good = run.Place.WriteImage("good.png", 1);
        var ended = run.Place.Run("explain", TrainedRun.Name, "absent.png", good, "--out", "some", "--quiet");
        Assert.Equal(ExitCode.UserError, ended.Code);
        Assert.Equal(Path.Combine("some", "explain.html"), Assert.Single(ended.Lines));
        Assert.Contains(
            "absent.png",
            Assert.Single(ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void What_cannot_be_explained_is_an_error_of_one_line()
    {
        var file = run.Place.WriteImage("zero.png", 0);
        Assert.Contains(
            "nearest names are Coat",
            run.Place.Run("explain", TrainedRun.Name, file, "--class", "Coot").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains("no run folder runs/none", run.Place.Run("explain", "runs/none", file).UserError(), StringComparison.Ordinal);
        Assert.Contains("--checkpoint", run.Place.Run("explain", "deit_tiny_patch16_224", file).UserError(), StringComparison.Ordinal);
    }
}
