using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Bundles;
using Tessera.Training.Drawing;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Classification;

namespace Tessera.Training.Tests;

public sealed class PreparationTests : IDisposable
{
    private const string Name = "vit_mini_patch4_32";

    private readonly TempFolder folder = new();
    private readonly Scope scope = new();
    private readonly string file;

    public PreparationTests()
    {
        var pixels = new byte[70 * 90 * 3];
        new Random(4).NextBytes(pixels);
        file = folder.Write("a/noise.png", Png.Encode(pixels, 70, 90, 3));
    }

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    // What a model with published weights sees of the image.
    private float[] Published(Preprocessing? preprocessing)
    {
        var variant = Registry.Get(Name) with { Preprocessing = preprocessing };
        var task = new ClassificationTask();
        var model = task.CreateModel(new(Name, new()));
        var facts = task.FactsOfWeights(variant, model, ["a", "b"]);
        var pipeline = task.EvaluationPipeline(model, facts, EvaluationTransforms.Of(variant));
        return task.Read([file], facts, pipeline).Single().Read().Inputs.ToArray<float>();
    }

    [Fact]
    public void Every_field_of_the_published_preparation_matters()
    {
        var published = new Preprocessing([0.4, 0.5, 0.6], [0.2, 0.25, 0.3], 0.8, "bicubic");
        var plain = Published(published);
        Assert.Equal(plain, Published(published));
        Preprocessing[] others =
        [
            published with
            {
                Mean = [0.4, 0.5, 0.5],
            },
            published with
            {
                Std = [0.2, 0.25, 0.2],
            },
            published with
            {
                CropRatio = 1,
            },
            published with
            {
                Interpolation = "bilinear",
            },
            published with
            {
                Interpolation = "nearest",
            },
        ];
        Assert.All(others, other => Assert.NotEqual(plain, Published(other)));
        // No field is left out here.
        Assert.Equal(4, typeof(Preprocessing).GetProperties().Count(property => property.CanWrite));
        Assert.Equal(Published(Preprocessing.ImageNet), Published(null));
    }

    [Fact]
    public void By_code_an_image_is_prepared_bit_for_bit_as_prediction_prepares_it()
    {
        Preprocessing[] all =
        [
            new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3], 0.8, "bicubic"),
            Preprocessing.ImageNet,
            Preprocessing.Cifar10,
            Preprocessing.Half with
            {
                Interpolation = "bilinear",
            },
            Preprocessing.Half with
            {
                Interpolation = "nearest",
            },
        ];
        using var image = Image.Open(file);
        Assert.All(all, preprocessing =>
        {
            var prepared = image.ToTensor(preprocessing, 32);
            Assert.Equal([1, 3, 32, 32], prepared.Shape);
            Assert.Equal(Published(preprocessing), prepared.ToArray<float>());
        });
        Assert.Throws<ArgumentOutOfRangeException>(() => image.ToTensor(Preprocessing.Half, 0));
    }

    [Theory]
    [InlineData(32, 32)]
    [InlineData(70, 90)]
    [InlineData(null, null)]
    public void A_predicted_image_is_prepared_as_a_measured_one(int? height, int? width)
    {
        var task = new ClassificationTask();
        var model = task.CreateModel(new(Name, new()));
        var facts = new ImageFacts(["a", "b"], 3, height, width, [0.1f, 0.2f, 0.3f], [0.5f, 0.6f, 0.7f]);
        var given = new EvaluationTransforms(null);
        var measured = new FileImages("images", "test", ["a", "b"], [file], [0], facts.Normalization);
        var ofEvaluation = task.EvaluationPipeline(model, facts, given, task.FactsOf(measured));
        var ofPrediction = new ModelBundle(model, new(new(Name, new()), task, facts, given, Precision.Fp32), "weights").Read([file]);
        Assert.Equal(
            new Loader(measured, ofEvaluation, new(1) { Workers = 0 }).Epoch(0).Single().Inputs.ToArray<float>(),
            ofPrediction.Single().Read().Inputs.ToArray<float>()
        );
    }

    [Fact]
    public void Each_part_can_be_changed_and_the_line_says_what_is_done()
    {
        var task = new ClassificationTask();
        var model = task.CreateModel(new(Name, new()));
        var facts = new ImageFacts(["a", "b"], 3, 32, 32, [0.1f, 0.2f, 0.3f], [0.5f, 0.6f, 0.7f]);
        var content = new BundleContent(new(Name, new()), task, facts, new([new CenterCrop(32)]), Precision.Fp32);
        var bundle = new ModelBundle(model, content, "weights");
        string Line(PreparationChanges changes) => Preparation.Of(bundle.With(changes).PipelineFor()).ToString();
        Assert.Equal("center_crop (size 32); mean 0.1, 0.2, 0.3; deviation 0.5, 0.6, 0.7", Line(new()));
        Assert.Equal("center_crop (size 32); mean 0, 0.2, 0.3; deviation 0.5, 0.6, 0.7", Line(new(Mean: [0, 0.2f, 0.3f])));
        Assert.Equal("center_crop (size 32); mean 0.1, 0.2, 0.3; deviation 1, 1, 1", Line(new(Deviation: [1, 1, 1])));
        Assert.StartsWith(
            "evaluation_crop (size 32, share 0.5, interpolation bicubic);",
            Line(new(CropRatio: 0.5)),
            StringComparison.Ordinal
        );
        Assert.StartsWith(
            "evaluation_crop (size 32, share 0.875, interpolation nearest);",
            Line(new(Interpolation: Interpolation.Nearest)),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "must have 3 values",
            Assert.Throws<RunException>(() => Line(new(Mean: [0], Deviation: [1]))).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<RunException>(() => new PreparationChanges(CropRatio: 1.5));
    }
}
