using System.Globalization;

namespace Tessera.Cli.Tests;

/// <summary>Texts all the way: questions in the form of TREC, trained, measured, predicted.</summary>
public sealed class TextTests : IDisposable
{
    private const int Words = 300;
    private static readonly string[] things =
    [
        "the telephone",
        "a violin",
        "the river",
        "Hamlet",
        "a comet",
        "the bridge",
        "chess",
        "a glacier",
    ];
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-text-").FullName;

    public TextTests()
    {
        Directory.CreateDirectory(Path.Combine(folder, "trec"));
        Write("train_5500.label", 240);
        Write("TREC_10.label", 48);
        File.WriteAllText(
            Path.Combine(folder, "text.yaml"),
            $$"""
            model: { name: text_cct_2_k2 }
            data: { name: trec, root: {{folder}}, batch: 16, length: 12 }
            augment: []
            objective: { name: supervised }
            optimizer: { name: adamw, lr: 2e-3 }
            schedule: { name: cosine, epochs: 3, warmup: 0.5 }
            train: { threads: 1, ema: 0.8 }
            """
        );
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private Ended Run(params string[] arguments) => CommandLineTool.Run(folder, arguments);

    private void Write(string name, int count)
    {
        string[] patterns =
        [
            "NUM:date When was {0} made ?",
            "HUM:ind Who has found {0} ?",
            "LOC:other Where is {0} now ?",
            "DESC:manner How does one describe {0} ?",
            "ENTY:animal Which animal fears {0} ?",
            "ABBR:exp What is the abbreviation of {0} ?",
        ];
        File.WriteAllLines(
            Path.Combine(folder, "trec", name),
            Enumerable
                .Range(0, count)
                .Select(i =>
                    string.Format(CultureInfo.InvariantCulture, patterns[i % patterns.Length], things[i / patterns.Length % things.Length])
                )
        );
    }

    [Fact]
    public void A_model_of_texts_is_trained_measured_and_asked()
    {
        var trained = Run("train", "text.yaml", "--out", "run", "--json").Succeeded().Json;
        var top1 = trained.GetProperty("top1").GetDouble();
        Assert.True(top1 > 0.8, $"top-1 of {top1}");
        var page = File.ReadAllText(Path.Combine(folder, "run", "report.html"));
        Assert.Contains("48 test texts", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http", page.Replace("http://www.w3.org", "", StringComparison.Ordinal), StringComparison.Ordinal);

        var measured = Run("eval", "run", "--json").Succeeded().Json;
        Assert.Equal(top1, measured.GetProperty("top1").GetDouble());
        Assert.Contains(
            "texts per second",
            Run("eval", "run", "--split", "train", "--limit", "30").Succeeded().Output,
            StringComparison.Ordinal
        );

        File.WriteAllText(Path.Combine(folder, "more.txt"), "When was chess made ?\n\nWhere is a comet now ?\n");
        var lines = Run("predict", "run", "Who has found the violin ?", "more.txt", "--quiet")
            .Succeeded()
            .Lines.Select(line => line.Split('\t'))
            .ToArray();
        Assert.Equal(["Who has found the violin ?", "When was chess made ?", "Where is a comet now ?"], lines.Select(line => line[0]));
        Assert.Equal(["HUM", "NUM", "LOC"], lines.Select(line => line[1]));

        Assert.Contains("task text cannot be explained", Run("explain", "run", "x.png").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Long")]
    public void A_stopped_training_of_texts_goes_on_to_the_same_weights()
    {
        Run("train", "text.yaml", "--out", "whole", "--quiet").Succeeded();
        Run("train", "text.yaml", "--out", "parts", "--quiet").Succeeded();
        // As if it had been killed: the newest checkpoint is gone.
        Directory.Delete(Directory.GetDirectories(Path.Combine(folder, "parts", "checkpoints")).Order().Last(), recursive: true);
        Run("train", "--resume", "parts", "--quiet").Succeeded();
        byte[] Weights(string run) =>
            File.ReadAllBytes(
                Path.Combine(Directory.GetDirectories(Path.Combine(folder, run, "checkpoints")).Order().Last(), "model.safetensors")
            );
        Assert.Equal(Weights("whole"), Weights("parts"));
    }

    [Fact]
    public void Word_vectors_are_the_beginning_and_have_to_fit()
    {
        var numbers = string.Join(' ', Enumerable.Range(0, Words).Select(i => (i % 7 / 10.0).ToString(CultureInfo.InvariantCulture)));
        File.WriteAllText(Path.Combine(folder, "glove.txt"), $"when {numbers}\nwhere {numbers}\n");
        Run(
                "train",
                "text.yaml",
                "--set",
                "model.word_vectors=glove.txt",
                "--set",
                "schedule={name: constant, epochs: 1}",
                "--set",
                "optimizer.lr=1e-9",
                "--out",
                "run",
                "--quiet"
            )
            .Succeeded();
        using (
            var checkpoint = Checkpoints.Checkpoint.Open(
                Directory
                    .GetFiles(Path.Combine(folder, "run", "checkpoints"), "model.safetensors", SearchOption.AllDirectories)
                    .Order()
                    .Last()
            )
        )
        {
            using var scope = new Scope();
            var vectors = checkpoint.StateDict()["embedder.embeddings.weight"];
            Assert.Equal(Words, vectors.Shape.ToArray()[1]);
            var values = vectors.ToArray<float>();
            // Two words begin with the numbers of the file, padding with none.
            Assert.All(values[Words..(2 * Words)], value => Assert.Equal(0, value));
            Assert.Equal(
                2,
                Enumerable
                    .Range(0, values.Length / Words)
                    .Count(row => Enumerable.Range(0, Words).All(i => Math.Abs(values[row * Words + i] - i % 7 / 10f) < 1e-3))
            );
        }
        File.WriteAllText(Path.Combine(folder, "short.txt"), "when 1 2 3\n");
        Assert.Contains(
            "has 3 numbers per word, but the model takes 300",
            Run("train", "text.yaml", "--set", "model.word_vectors=short.txt").UserError(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Models_of_images_and_texts_are_not_mixed_up()
    {
        Assert.Contains(
            "takes images, but task text needs a model for texts",
            Run("train", "text.yaml", "--set", "model.name=cct_2_3x2_32").UserError(),
            StringComparison.Ordinal
        );
        using var place = new Workplace();
        Assert.Contains(
            "takes texts, but task classification needs a model for images",
            place.Run(place.Train("--set", "model.name=text_cct_2_k2")).UserError(),
            StringComparison.Ordinal
        );
    }
}
