using System.Text.Json;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;

namespace Tessera.Cli.Tests;

public sealed class CompareTests(Workplace place) : IClassFixture<Workplace>
{
    private static readonly string[] quick = ["--runs", "1", "--seconds", "0.01", "--batch", "2"];

    [Fact]
    public void Models_are_measured_each_in_a_process_of_its_own()
    {
        var result = place.Run(["compare", "cct_2_3x2_32", "resnet20_cifar", .. quick, "--json"]).Succeeded().Json;
        var rows = result.GetProperty("models").EnumerateArray().ToArray();
        Assert.Equal(["cct_2_3x2_32", "resnet20_cifar"], rows.Select(row => row.GetProperty("model").GetString()));
        Assert.Equal(["plain", "pyramid"], rows.Select(row => row.GetProperty("form").GetString()));
        foreach (var (row, variant) in rows.Zip([Registry.Get("cct_2_3x2_32"), Registry.Get("resnet20_cifar")]))
        {
            Assert.Equal(variant.Parameters!.Value * 1e6, row.GetProperty("parameters").GetInt64(), variant.Parameters.Value * 1e4);
            Assert.Equal(variant.Top1!.Value / 100, row.GetProperty("published_top1").GetDouble(), 1e-9);
            Assert.Equal("CIFAR-10", row.GetProperty("published_on").GetString());
            Assert.True(row.GetProperty("images_per_second").GetDouble() > 0);
            // More than the weights, less than what a second model beside it would take.
            Assert.InRange(row.GetProperty("peak_memory").GetInt64(), 4 * row.GetProperty("parameters").GetInt64(), 400L << 20);
        }
    }

    [Fact]
    public void One_model_that_cannot_follow_does_not_cost_the_others()
    {
        var result = place.Run("compare", "vit_micro_patch4_32", "cct_2_3x2_32", "--size", "30", "--count", "--json").Succeeded().Json;
        var rows = result.GetProperty("models").EnumerateArray().ToArray();
        Assert.Contains("30", rows[0].GetProperty("deviation").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Null, rows[1].GetProperty("deviation").ValueKind);
        Assert.Equal([30, 30], rows[1].GetProperty("image_size").EnumerateArray().Select(side => side.GetInt32()));
    }

    [Fact]
    public void Patterns_files_and_the_page_with_its_front()
    {
        var output = place
            .Run("compare", "resnet*_cifar", "--count", "--csv", "out/models.csv", "--html", "out/models.html")
            .Succeeded()
            .Output;
        Assert.Contains("resnet110_cifar", output, StringComparison.Ordinal);
        var csv = File.ReadAllLines(Path.Combine(place.Folder, "out", "models.csv"));
        Assert.Equal(1 + Registry.Find("resnet*_cifar").Count(), csv.Length);
        Assert.StartsWith("model,architecture,form,height,width,parameters,", csv[0], StringComparison.Ordinal);
        var page = File.ReadAllText(Path.Combine(place.Folder, "out", "models.html"));
        // Deeper ones are better and dearer: all are on the front.
        Assert.Equal(1, page.Split("class=\"front\"").Length - 1);
        Assert.Equal(5, page.Split("<circle").Length - 1);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Growth_with_the_resolution_and_the_receptive_field()
    {
        var result = place
            .Run("compare", "mixer_micro_32", "resnet20_cifar", "--resolutions", "16,32", "--html", "out/growth.html", "--json")
            .Succeeded()
            .Json;
        var rows = result.GetProperty("resolutions").EnumerateArray().ToArray();
        Assert.Equal(4, rows.Length);
        double Figure(int row, string name) => rows[row].GetProperty(name).GetDouble();
        // Maps over tokens grow with the tokens, convolutions do not; operations of convolutions grow with the area.
        Assert.True(Figure(1, "parameters") > Figure(0, "parameters"));
        Assert.Equal(Figure(2, "parameters"), Figure(3, "parameters"));
        Assert.Equal(4, Figure(3, "macs") / Figure(2, "macs"), 0.01);
        Assert.Equal((1, 32.0 * 32), (Figure(1, "receptive_share"), Figure(1, "receptive_pixels")));
        Assert.Equal(3, File.ReadAllText(Path.Combine(place.Folder, "out", "growth.html")).Split("<svg").Length - 1);
    }

    [Fact]
    public void Operators_on_maps_of_any_size_and_their_growth()
    {
        var json = place.Run("compare", "--operators", "14x14x384,7x28x30", "--csv", "out/operators.csv", "--json").Succeeded().Json;
        var names = json.GetProperty("operators").EnumerateArray().Select(op => op.GetProperty("name").GetString()).ToArray();
        Assert.Equal(12, names.Length);
        var rows = json.GetProperty("costs").EnumerateArray().ToArray();
        Assert.Equal([.. names, .. names], rows.Select(row => row.GetProperty("operator").GetString()));
        long[] Figures(int map, string name) =>
            [
                .. ((string[])["weights", "macs", "reach", "weights_doubled", "macs_doubled"]).Select(field =>
                    rows[map * names.Length + Array.IndexOf(names, name)].GetProperty(field).GetInt64()
                ),
            ];
        Assert.Equal([3 * 3 * 384 * 384, 14 * 14 * 3 * 3 * 384 * 384, 9, 1, 4], Figures(0, "convolution"));
        Assert.Equal([196 * 196, 196 * 196 * 384, 196, 16, 16], Figures(0, "resmlp"));
        Assert.Equal([2 * 30 * 30, 196 * 2 * 30 * 30, 4, 1, 4], Figures(1, "s2mlpv1"));
        Assert.Equal(7 + 28 - 1, Figures(1, "vip")[2]);
        Assert.Equal("7,28,30,s2mlpv1,1800,352800,4,1,4", File.ReadAllLines(Path.Combine(place.Folder, "out", "operators.csv"))[^5]);
        Assert.Contains("14x14x384  resmlp", place.Run("compare", "--operators", "14x14x384").Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void One_recipe_trains_all_models_and_complete_runs_are_kept()
    {
        string[] arguments =
        [
            "compare",
            "cct_2_3x2_32",
            "resnet20_cifar",
            "--count",
            "--train",
            "cct/fashion_mnist",
            "--out",
            "runs",
            "--json",
            "--set",
            $"data.root={place.Data}",
            "--set",
            "data.batch=32",
            "--set",
            "train.threads=1",
            "--set",
            "schedule.epochs=1",
        ];
        var first = place.Run(arguments).Succeeded().Json.GetProperty("models");
        foreach (var row in first.EnumerateArray())
        {
            var results = Path.Combine(place.Folder, "runs", row.GetProperty("model").GetString()!, "results.json");
            var evaluation = JsonDocument.Parse(File.ReadAllText(results)).RootElement.GetProperty("evaluation");
            Assert.Equal(evaluation.GetProperty("top1").GetDouble(), row.GetProperty("score").GetDouble());
        }
        // At the data's size and channels.
        Assert.Equal(Workplace.Side, first[0].GetProperty("image_size")[0].GetInt32());
        var log = Path.Combine(place.Folder, "runs", "resnet20_cifar", "log.jsonl");
        var written = File.ReadAllText(log);
        var again = place.Run(arguments).Succeeded().Json.GetProperty("models");
        Assert.Equal(first[1].GetProperty("score").GetDouble(), again[1].GetProperty("score").GetDouble());
        Assert.Equal(written, File.ReadAllText(log));
        Assert.Contains("another recipe", place.Run([.. arguments, "--set", "schedule.epochs=2"]).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupted_comparison_shows_what_is_done_and_leaves_no_process_behind()
    {
        Ended stopped;
        int measuring;
        using (
            var tool = CommandLineTool.StartUntil(
                place.Folder,
                "2/2",
                "compare",
                "cct_2_3x2_32",
                "vit_base_patch16_384",
                "--seconds",
                "0.1",
                "--batch",
                "32"
            )
        )
        {
            measuring = tool.Child("compare\0vit_base_patch16_384\0--alone");
            tool.Interrupt();
            stopped = tool.End();
        }
        Assert.Equal(ExitCode.Interrupted, stopped.Code);
        Assert.Contains("cct_2_3x2_32 ", stopped.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("--alone", CommandLineTool.CommandLineOf(measuring), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_compared_is_an_error_of_one_line()
    {
        Assert.Contains("resnet20_cifar", place.Run("compare", "resnet20_cifra").UserError(), StringComparison.Ordinal);
        foreach (var maps in (string[])["14x14", "14x14x0", "2000x14x8", "14x14x8,", "-1x2x3"])
            Assert.Contains("14x14x384,28x28x128", place.Run("compare", "--operators", maps).UserError(), StringComparison.Ordinal);
        Assert.Contains(
            "neither models",
            place.Run("compare", "resnet20_cifar", "--operators", "14x14x384").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains("--operators", place.Run("compare").UserError(), StringComparison.Ordinal);
        Assert.Contains(
            "192,224,256",
            place.Run("compare", "resnet20_cifar", "--resolutions", "a,b").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "--batch must be at least 1",
            place.Run("compare", "resnet20_cifar", "--batch", "0").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "--train",
            place.Run("compare", "resnet20_cifar", "--set", "schedule.epochs=2").UserError(),
            StringComparison.Ordinal
        );
    }
}
