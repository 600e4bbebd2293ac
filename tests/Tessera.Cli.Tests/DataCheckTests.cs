using System.Text;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Testing;
using Tessera.Training.Drawing;

namespace Tessera.Cli.Tests;

public sealed class DataCheckTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private void WriteImage(string name, int value) =>
        folder.Write(name, [.. Encoding.ASCII.GetBytes("P5 2 2 255\n"), (byte)value, (byte)value, (byte)value, (byte)(value >> 8)]);

    private void WriteFolder()
    {
        for (var i = 0; i < 12; i++)
        {
            WriteImage($"train/cat/{i}.pgm", i);
            WriteImage($"train/dog/{i}.pgm", 20 + i);
        }
        WriteImage("test/cat/0.pgm", 40);
        WriteImage("test/dog/0.pgm", 41);
    }

    private Ended Check(params string[] more) => CommandLineTool.Run(["data", "check", "image_folder", "--root", folder.Path, .. more]);

    [Fact]
    public void A_sound_folder_is_described_and_nothing_is_found()
    {
        WriteFolder();
        var ended = Check().Succeeded();
        Assert.Contains("nothing was found", ended.Output, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^train +24 +2 +12 +12 +0 +0$", ended.Output);
        Assert.Matches(@"(?m)^dog +12 +1$", ended.Output);
        Assert.Matches(@"(?m)^train +2x2 +2x2 ", ended.Output);
        Assert.Equal(["train\t24", "test\t2"], Check("--quiet").Succeeded().Lines);
    }

    [Fact]
    public void Warnings_do_not_fail_and_name_files()
    {
        WriteFolder();
        File.Copy(folder["train/cat/3.pgm"], folder["test/dog/copy.pgm"]);
        var ended = Check().Succeeded();
        Assert.Contains("train, test: 1 image of test is in train too", ended.Output, StringComparison.Ordinal);
        Assert.Contains($"{folder["train/cat/3.pgm"]} = {folder["test/dog/copy.pgm"]}", ended.Output, StringComparison.Ordinal);
        var json = Check("--json").Succeeded().Json;
        var repeat = Assert.Single(json.GetProperty("repeats").EnumerateArray());
        Assert.True(repeat.GetProperty("labels_differ").GetBoolean());
        Assert.Equal(0, json.GetProperty("problems").GetArrayLength());
        Assert.Equal(3, json.GetProperty("parts").GetProperty("test").GetInt32());
        Assert.Equal(24, json.GetProperty("splits")[0].GetProperty("images").GetProperty("grey").GetInt32());
    }

    [Fact]
    public void Problems_fail_after_the_whole_report()
    {
        WriteFolder();
        WriteImage("test/unknown/0.pgm", 50);
        folder.Write("test/cat/bad.png", "nothing");
        var ended = Check();
        Assert.Equal(ExitCode.UserError, ended.Code);
        Assert.Matches(@"(?m)^test +4 +3 ", ended.Output);
        Assert.Contains("'unknown'", ended.Output, StringComparison.Ordinal);
        Assert.Contains($"{folder["test/cat/bad.png"]}: not a JPEG", ended.Output, StringComparison.Ordinal);
        Assert.StartsWith(
            "tessera: image_folder: ",
            Assert.Single(ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)),
            StringComparison.Ordinal
        );
        // Without decoding, the damaged file is not found.
        Assert.DoesNotContain("bad.png", Check("--quick").Output, StringComparison.Ordinal);
        Assert.NotEqual(0, Check("--json").Json.GetProperty("problems").GetArrayLength());
    }

    [Fact]
    public void A_split_that_is_absent_is_no_error()
    {
        WriteImage("1.pgm", 1);
        WriteImage("2.pgm", 2);
        folder.Write("train.csv", "image,labels\n1.pgm,cat|dog\n2.pgm,cat\n");
        Assert.Equal(["train\t2"], CommandLineTool.Run("data", "check", "multi_label", "--root", folder.Path, "--quiet").Succeeded().Lines);
    }

    [Fact]
    public void A_damaged_part_of_a_published_set_is_named_beside_the_parts_that_are_whole()
    {
        folder.Write("trec/train_5500.label", "NUM:date When was it ?\nHUM:ind Who was it ?\n");
        folder.Write("trec/TREC_10.label", "LOC:city Where was it ?\n");
        Assert.Equal(
            ["train\t2", "test\t1"],
            CommandLineTool.Run("data", "check", "trec", "--root", folder.Path, "--quiet").Succeeded().Lines
        );
        folder.Write("trec/TREC_10.label", "nonsense\n");
        var ended = CommandLineTool.Run("data", "check", "trec", "--root", folder.Path);
        Assert.Equal(ExitCode.UserError, ended.Code);
        Assert.Matches("(?m)^train +2 ", ended.Output);
        Assert.Contains(
            "TREC_10.label",
            Assert.Single(ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_page_shows_it_all_in_one_file()
    {
        WriteFolder();
        File.Copy(folder["train/cat/3.pgm"], folder["test/dog/copy.pgm"]);
        var page = folder["out/page.html"];
        Assert.Contains(page, Check("--page", page).Succeeded().Output, StringComparison.Ordinal);
        var html = File.ReadAllText(page);
        Assert.Contains("<svg", html, StringComparison.Ordinal);
        Assert.Contains("data:image/png;base64,", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        // The report is there even where the page cannot be.
        folder.Write("file", "in the way");
        var ended = Check("--page", folder["file/page.html"]);
        Assert.NotEqual(ExitCode.Success, ended.Code);
        Assert.Matches("(?m)^train +24 ", ended.Output);
        Assert.Single(ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private void WriteMap(string split, string name, int grey, params byte[] ids)
    {
        folder.Write($"{split}/images/{name}.png", Png.Encode([.. ids.Select((_, i) => (byte)(grey + i))], 2, ids.Length / 2, 1));
        folder.Write($"{split}/masks/{name}.png", Png.Encode(ids, 2, ids.Length / 2, 1));
    }

    [Fact]
    public void Label_maps_are_counted_and_wrong_values_fail_after_the_report()
    {
        folder.Write("classes.txt", "sky\nroad\n");
        WriteMap("train", "a", 10, 0, 0, 0, 1, 1, 255);
        WriteMap("train", "b", 20, 0, 0, 0, 0, 0, 0);
        WriteMap("val", "c", 30, 0, 0, 1, 1, 1, 1);
        var ended = CommandLineTool.Run("data", "check", "segmentation_folder", "--root", folder.Path).Succeeded();
        Assert.Matches(@"(?m)^train +2 +12 +8\.33 % +1 +0 +0$", ended.Output);
        Assert.Matches(@"(?m)^road +1 +1$", ended.Output);
        Assert.Matches(@"(?m)^road +18\.18 % +66\.67 %$", ended.Output);
        WriteMap("val", "c", 30, 0, 0, 7, 7, 1, 1);
        ended = CommandLineTool.Run("data", "check", "segmentation_folder", "--root", folder.Path);
        Assert.Equal(ExitCode.UserError, ended.Code);
        Assert.Contains($"{folder["val/masks/c.png"]}: 7 (2 pixels)", ended.Output, StringComparison.Ordinal);
        Assert.Single(ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Images_in_memory_are_compared_by_their_pixels()
    {
        using var workplace = new Workplace();
        var json = workplace.Run("data", "check", "fashion_mnist", "--root", workplace.Data, "--json").Succeeded().Json;
        Assert.Equal(160, json.GetProperty("parts").GetProperty("train").GetInt32());
        Assert.Equal(40, json.GetProperty("splits")[1].GetProperty("samples").GetInt32());
        var images = json.GetProperty("splits")[0].GetProperty("images");
        Assert.Equal(Workplace.Side, images.GetProperty("largest").GetProperty("width").GetInt32());
    }

    [Fact]
    public void Data_of_ones_own_needs_its_folder()
    {
        Assert.Contains(
            "--root must name its folder",
            CommandLineTool.Run("data", "check", "image_folder").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "does not exist",
            CommandLineTool.Run("data", "check", "image_folder", "--root", folder["absent"]).UserError(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Progress_tells_speed_and_time_left_and_never_goes_back()
    {
        var clock = new Clock();
        List<string> lines = [];
        var view = new CheckView(lines.Add, TimeSpan.FromSeconds(1), clock);
        clock.Seconds = 0.5;
        view.Report(new(500, 10_000));
        clock.Seconds = 2;
        view.Report(new(2_000, 10_000));
        clock.Seconds = 4;
        view.Report(new(1_900, 10_000));
        view.Report(new(10_000, 10_000));
        Assert.Equal(["2,000 of 10,000 samples (20 %)  1,000/s  8 s left", "10,000 of 10,000 samples (100 %)  2,500/s  0 s left"], lines);
    }

    private sealed class Clock : TimeProvider
    {
        internal double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
