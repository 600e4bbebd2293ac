using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>Images with any number of labels, all the way: a table, training, thresholds, eval, predict, explain, report.</summary>
public sealed class MultiLabelTests : IDisposable
{
    private const int Side = 12,
        Train = 160,
        Val = 48;

    // Each class that is present has a bright band.
    private static readonly string[] classes = ["top", "middle", "bottom"];
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-multi-label-").FullName;

    public MultiLabelTests()
    {
        List<string> table = ["image,labels,split"];
        for (var i = 0; i < Train + Val; i++)
        {
            Write($"{i}.bmp", Present(i), i);
            table.Add($"{i}.bmp,{string.Join('|', Present(i).Select(c => classes[c]))},{(i < Train ? "train" : "val")}");
        }
        File.WriteAllLines(Path.Combine(folder, "labels.csv"), table);
        File.WriteAllText(
            Path.Combine(folder, "recipe.yaml"),
            $$"""
            model: { name: cct_2_3x2_32, image_size: {{Side}} }
            data: { name: multi_label, root: {{folder}}, batch: 16 }
            augment: []
            task: { name: multi_label, tune_thresholds: true }
            objective: { name: multi_label, loss: asymmetric }
            optimizer: { name: adamw, lr: 3e-3 }
            schedule: { name: cosine, epochs: 8, warmup: 1 }
            evaluation: { split: val, every: 4, transforms: [] }
            train: { threads: 1 }
            """
        );
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private Ended Run(params string[] arguments) => CommandLineTool.Run(folder, arguments);

    // All subsets of the three classes in turn, the empty one among them.
    private static IEnumerable<int> Present(int i) => Enumerable.Range(0, classes.Length).Where(c => (i % 8 >> c & 1) == 1);

    // A BMP of 24 bits: a header, then rows from the bottom.
    private void Write(string name, IEnumerable<int> present, int seed)
    {
        var random = new Random(seed);
        using var file = new BinaryWriter(File.Create(Path.Combine(folder, name)));
        file.Write("BM"u8);
        file.Write(54 + 3 * Side * Side);
        file.Write(0);
        file.Write(54);
        file.Write(40);
        file.Write(Side);
        file.Write(Side);
        file.Write((short)1);
        file.Write((short)24);
        for (var i = 0; i < 6; i++)
            file.Write(0);
        for (var row = Side - 1; row >= 0; row--)
        for (var column = 0; column < Side; column++)
        {
            var value = (byte)(random.Next(60) + (present.Contains(row / 4) && row % 4 is 1 or 2 ? 180 : 0));
            file.Write([value, value, value]);
        }
    }

    [Fact]
    public void A_table_of_labels_is_trained_measured_asked_and_explained()
    {
        var trained = Run("train", "recipe.yaml", "--out", "run", "--json").Succeeded().Json.GetProperty("evaluation");
        var map = trained.GetProperty("map").GetDouble();
        Assert.True(map > 0.9, $"mAP of {map}");

        var page = File.ReadAllText(Path.Combine(folder, "run", "report.html"));
        foreach (var title in (string[])["Average precision per class", "Precision over recall", "tuned on these 48 images", "Per class"])
            Assert.Contains(title, page, StringComparison.Ordinal);
        using var bundle = JsonDocument.Parse(
            File.ReadAllBytes(Directory.GetFiles(folder, "bundle.json", SearchOption.AllDirectories).Single())
        );
        var data = bundle.RootElement.GetProperty("data");
        Assert.True(data.GetProperty("tuned").GetBoolean());
        double[] thresholds = [.. data.GetProperty("thresholds").EnumerateArray().Select(one => one.GetDouble())];
        Assert.Equal(3, thresholds.Length);

        // The thresholds of the bundle give the scores that the training ended with.
        var measured = Run("eval", "run", "--eager", "--json").Succeeded().Json;
        foreach (var figure in (string[])["map", "f1_macro", "f1_micro", "loss"])
            Assert.Equal(trained.GetProperty(figure).GetDouble(), measured.GetProperty(figure).GetDouble(), 1e-9);
        Assert.True(trained.GetProperty("thresholds_tuned").GetBoolean());
        Assert.False(measured.GetProperty("evaluation").GetProperty("thresholds_tuned").GetBoolean());
        Assert.Equal(
            thresholds.Order(),
            measured
                .GetProperty("evaluation")
                .GetProperty("per_class")
                .EnumerateObject()
                .Select(one => one.Value.GetProperty("threshold").GetDouble())
                .Order()
        );

        Write("both.bmp", [0, 2], 1000);
        Write("none.bmp", [], 1001);
        var lines = Run("predict", "run", "both.bmp", "none.bmp", "--quiet").Succeeded().Lines.Select(line => line.Split('\t')).ToArray();
        Assert.Equal(["bottom", "top"], lines.Select(line => line[1]).Order(StringComparer.Ordinal));
        Assert.All(lines, line => Assert.Equal("both.bmp", line[0]));
        Assert.Contains("in the answer", Run("predict", "run", "both.bmp", "none.bmp").Succeeded().Output, StringComparison.Ordinal);

        var explained = Run("explain", "run", "both.bmp", "--class", "bottom", "--json").Succeeded().Json.GetProperty("images")[0];
        Assert.Equal("bottom", explained.GetProperty("class").GetString());
        // Probabilities of their own, which need not sum to 1.
        double[] probabilities =
        [
            .. explained.GetProperty("choices").EnumerateArray().Select(one => one.GetProperty("probability").GetDouble()),
        ];
        Assert.True(probabilities.Sum() > 1.2, $"{string.Join(", ", probabilities)}");
    }

    [Fact]
    public void Targets_of_another_kind_are_refused_before_training()
    {
        Assert.Contains(
            "objective: supervised needs ClassTargets, ",
            Run("train", "recipe.yaml", "--set", "objective={name: supervised}").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "focus_gradient",
            Run("train", "recipe.yaml", "--set", "objective.loss={name: asymmetric, gamma_neg: 0.5, focus_gradient: true}").UserError(),
            StringComparison.Ordinal
        );
    }
}
