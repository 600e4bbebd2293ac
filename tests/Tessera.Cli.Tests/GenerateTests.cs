using System.Globalization;
using Tessera.Data.Imaging;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Generation;

namespace Tessera.Cli.Tests;

/// <summary>A generator, untrained, in the hands of the command line.</summary>
public sealed class GenerateTests : IDisposable
{
    private const string Bundle = "made";
    private readonly Workplace place = new();

    public GenerateTests()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var spec = new ModelSpec(
            "vitgan_generator",
            new() { Channels = 1, ImageSize = (Workplace.Side, Workplace.Side) },
            Generator: new VitGanGeneratorOptions(TokenWidth: 3, Depth: 1, Dim: 12, Heads: 2, PixelDim: 8, MappingLayers: 1)
        );
        var model = spec.Create();
        // Noise of layers begins with the weight 0.
        using (Torch.NoGrad())
            foreach (var (name, parameter) in model.NamedParameters())
                if (name.EndsWith("noise.weight", StringComparison.Ordinal))
                    parameter.Fill_(0.3);
        var content = new BundleContent(
            spec,
            new GenerationTask(),
            new GenerationFacts(1, Workplace.Side, Workplace.Side),
            new EvaluationTransforms(null, 1),
            Training.Precision.Fp32
        );
        new BundleFolder(Path.Combine(place.Folder, Bundle)).Write(content, model.StateDict());
    }

    public void Dispose() => place.Dispose();

    private byte[] Read(params string[] path) => File.ReadAllBytes(Path.Combine([place.Folder, .. path]));

    private string[] Names(string folder) =>
        [
            .. Directory
                .EnumerateFiles(Path.Combine(place.Folder, folder))
                .Select(path => Path.GetFileName(path))
                .Order(StringComparer.Ordinal),
        ];

    [Fact]
    public void Images_of_a_seed_are_the_same_however_many_are_made()
    {
        place.Run("generate", Bundle, "-n", "3", "--seed", "7", "--out", "few").Succeeded();
        var text = place.Run("generate", Bundle, "-n", "6", "--seed", "7", "--out", "many").Succeeded().Output;
        Assert.Contains("6 in many, seed 7", text, StringComparison.Ordinal);
        Assert.Equal(["0000.png", "0001.png", "0002.png", "grid.png"], Names("few"));
        Assert.Equal(7, Names("many").Length);
        foreach (var name in (string[])["0000.png", "0001.png", "0002.png"])
            Assert.Equal(Read("few", name), Read("many", name));
        Assert.NotEqual(Read("many", "0000.png"), Read("many", "0001.png"));
        place.Run("generate", Bundle, "-n", "1", "--seed", "8", "--out", "other").Succeeded();
        Assert.NotEqual(Read("few", "0000.png"), Read("other", "0000.png"));
        using var image = Image.Open(Path.Combine(place.Folder, "few", "0000.png"));
        Assert.Equal((Workplace.Side, Workplace.Side), (image.Height, image.Width));
    }

    [Fact]
    public void Rows_from_one_image_to_another_are_written_on_demand()
    {
        var json = place
            .Run("generate", Bundle, "-n", "2", "--interpolate", "3", "--steps", "5", "--truncation", "0.5", "--json")
            .Succeeded()
            .Json;
        Assert.Equal(2, json.GetProperty("images").GetArrayLength());
        Assert.Equal(0.5, json.GetProperty("truncation").GetDouble());
        Assert.False(json.GetProperty("averaged").GetBoolean());
        var path = Path.Combine(place.Folder, json.GetProperty("interpolation").GetString()!);
        using var image = Image.Open(path);
        Assert.Equal((3 * (Workplace.Side + 2) + 2, 5 * (Workplace.Side + 2) + 2), (image.Height, image.Width));
        Assert.Equal(["0000.png", "0001.png", "grid.png", "interpolation.png"], Names("generated"));
        // All images are the mean one.
        place.Run("generate", Bundle, "-n", "2", "--truncation", "0", "--out", "mean", "--quiet").Succeeded();
    }

    [Fact]
    public void What_cannot_be_done_is_refused_in_a_line()
    {
        place.Run("generate", Bundle, "-n", "1", "--out", "there").Succeeded();
        Assert.Contains(
            "--out there is there already and not empty",
            place.Run("generate", Bundle, "--out", "there").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains("there is no run folder nowhere", place.Run("generate", "nowhere").UserError(), StringComparison.Ordinal);
        Assert.Contains("must be at least 1", place.Run("generate", Bundle, "-n", "0").UserError(), StringComparison.Ordinal);
        Assert.Contains("must be at least 2", place.Run("generate", Bundle, "--steps", "1").UserError(), StringComparison.Ordinal);
        Assert.Contains("must be from 0 to 1", place.Run("generate", Bundle, "--truncation", "2").UserError(), StringComparison.Ordinal);
        Assert.Contains("there are no best weights", place.Run("generate", Bundle, "--best").UserError(), StringComparison.Ordinal);
        ModelBundle
            .FromModel(Registry.Create("cct_2_3x2_32", new() { Classes = 2 }), "cct_2_3x2_32", ["a", "b"], Preprocessing.Cifar10)
            .Save(Path.Combine(place.Folder, "classifier"));
        Assert.Contains("cct_2_3x2_32 makes no images", place.Run("generate", "classifier").UserError(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("looks at none", "predict", Bundle, "x.png")]
    [InlineData("looks at none", "explain", Bundle, "x.png")]
    [InlineData("vitgan_generator has no classes", "explain", Bundle, "x.png", "--class", "cat")]
    [InlineData("is no backbone", "probe", Bundle, "--data", "fashion_mnist")]
    [InlineData("is no backbone", "token-labels", "make", Bundle, "--out", "labels", "--data", "fashion_mnist")]
    [InlineData("a data set must be named", "eval", Bundle)]
    public void Commands_for_models_that_look_at_images_refuse_it_in_a_line(string reason, params string[] words)
    {
        place.WriteImage("x.png", 3);
        Assert.Contains(reason, place.Run(words).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_inspected_and_measured()
    {
        var inspected = place.Run("inspect", Bundle, "--json").Succeeded().Json.GetProperty("bundle");
        Assert.Equal("vitgan_generator", inspected.GetProperty("generator").GetProperty("name").GetString());
        Assert.Equal(12, inspected.GetProperty("generator").GetProperty("dim").GetInt32());
        var text = place.Run("inspect", Bundle).Succeeded().Output;
        Assert.Contains("vitgan_generator, makes images", text, StringComparison.Ordinal);
        Assert.Contains("all names and shapes", text, StringComparison.Ordinal);
        var refused = place.Run("eval", Bundle, "--data", "fashion_mnist", "--root", place.Data).UserError();
        Assert.Contains("allow_few", refused, StringComparison.Ordinal);
        var measured = place
            .Run("eval", Bundle, "--data", "fashion_mnist", "--root", place.Data, "--split", "train", "--json")
            .Succeeded()
            .Json;
        var distance = measured.GetProperty("distance").GetDouble();
        Assert.True(distance > 0 && double.IsFinite(distance), distance.ToString(CultureInfo.InvariantCulture));
        Assert.Equal(160, measured.GetProperty("evaluation").GetProperty("real").GetInt32());
    }

    [Fact]
    public void A_comparison_of_models_refuses_a_recipe_of_a_generator()
    {
        var recipe = place.Write(
            "generate.yaml",
            """
            model: { name: vitgan_generator }
            task: generation
            data: { name: fashion_mnist, batch: 8 }
            augment: []
            objective: supervised
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: constant, epochs: 1 }
            """
        );
        Assert.Contains(
            "it trains the generator vitgan_generator",
            place.Run("compare", "cct_2_3x2_32", "cct_4_3x2_32", "--train", recipe).UserError(),
            StringComparison.Ordinal
        );
    }
}
