using System.Text.Json;
using Tessera.Data;
using Tessera.Testing;
using Tessera.Training.Generation;
using Tessera.Training.Tasks.Generation;

namespace Tessera.Training.Tests.Generation;

/// <summary>A run of task generation, from its recipe to its report.</summary>
[Collection("engine")]
public sealed class GenerationRunTests : IDisposable
{
    private readonly TempFolder folder = new();
    private readonly Scope scope = new();

    public GenerationRunTests() => SmallMnist.Write(Data);

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private string Data => Path.Combine(folder.Path, "data");

    private RunFolder Run => new(Path.Combine(folder.Path, "run"));

    private string Write(string? task = null) =>
        folder.Write("recipe.yaml", task is null ? GeneratorRecipes.Text(Data) : GeneratorRecipes.Text(Data, task: task));

    private string[] Pictures => [.. Run.Pictures.All.Select(picture => $"{picture.Name} {picture.Step}")];

    [Fact]
    public void A_run_has_a_bundle_pictures_of_its_evaluations_and_a_report()
    {
        GenerationMetrics last;
        using (var experiment = Experiment.Begin(Write(), [], Run.Path))
        {
            var result = experiment.Train();
            last = (GenerationMetrics)result.Last!;
            Assert.NotNull(result.LastEma);
            Assert.True(experiment.Model is Painter { ImageSize: (28, 28), Channels: 1, LatentWidth: 7 });
        }
        Assert.Equal(["samples 6", "samples 12", "samples-ema 6", "samples-ema 12"], Pictures);
        // Pictures are files of their own.
        Assert.DoesNotContain("pictures", File.ReadAllText(Run.ResultsPath), StringComparison.OrdinalIgnoreCase);

        var bundle = ModelBundle.Load(Run.Path, ema: true);
        Assert.Equal(new PainterOptions(7), bundle.Content.Model.Generator);
        Assert.Equal("painter", bundle.Content.Model.Title);
        Assert.Equal(new GenerationTask(AllowFew: true, Pictures: 4, Seed: 3), bundle.Task);
        Assert.Equal((1, 28), (((GenerationFacts)bundle.Facts).Channels, ((GenerationFacts)bundle.Facts).Height));
        // The picture of the averaged weights shows what these make.
        var images = new GeneratedImages((Models.ImageGenerator)bundle.Model, 3);
        Assert.Equal(
            File.ReadAllBytes(Run.Pictures.All[^1].Path),
            ImageGrid.Png([.. Enumerable.Range(0, 4).Select(number => images.Image(number))])
        );

        var measured = (GenerationMetrics)BundleMeasurement.OfRun(Run.Path, ModelBundle.Load(Run.Path), new()).Run();
        Assert.Equal(last.Distance, measured.Distance, 1e-9);
        Assert.Equal(last.Embedding, measured.Embedding);

        var report = File.ReadAllText(Run.ReportPath);
        foreach (
            var title in (string[])
                [
                    "Samples over the steps",
                    "Samples over the steps, by the moving average of the weights",
                    "Images between two others",
                    "Nearest training images",
                    "that of 40 test images by",
                ]
        )
            Assert.Contains(title, report, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_for_models_that_look_at_images_refuses_a_generator_in_a_sentence()
    {
        using (var experiment = Experiment.Begin(Write(), ["schedule.epochs=1"], Run.Path))
            experiment.Train();
        var bundle = ModelBundle.Load(Run.Path);
        bundle.RequireClassifier();
        using var image = Image.Open(folder.Write("one.pgm", "P5 1 1 255\n7"u8.ToArray()));
        foreach (
            var use in (Action[])
                [
                    () => bundle.Read(["x.png"]),
                    () => bundle.Read(image),
                    () => bundle.Predict("x.png"),
                    () => bundle.Predict(image),
                    () => bundle.Embed(image),
                ]
        )
            Assert.Equal(
                "a model of task generation makes images and looks at none: tessera generate RUN writes some",
                Assert.Throws<RunException>(use).Message
            );
        Assert.Contains("is no backbone", Assert.Throws<RunException>(() => bundle.Backbone).Message, StringComparison.Ordinal);
        Assert.Contains(
            "painter has no classes",
            Assert.Throws<RunException>(() => bundle.LabelOf("cat")).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "data.mean and data.std must be left out",
            Assert.Throws<RunException>(() => bundle.With(new PreparationChanges([0.5f], [0.5f]))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "is no backbone",
            Assert.Throws<RunException>(() => FeatureProbe.OfRun(Run.Path, bundle, new())).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_stopped_run_goes_on_to_the_same_weights_and_pictures()
    {
        var recipe = Write();
        using (var whole = Experiment.Begin(recipe, [], Path.Combine(folder.Path, "whole")))
            whole.Train();
        using (var first = Experiment.Begin(recipe, [], Run.Path))
            first.Trainer.Train(until: 8);
        // Of steps that a run has not done any more.
        Run.Pictures.Write("samples", 9, [1]);
        Torch.Seed(99);
        using (var second = Experiment.Resume(Run.Path))
        {
            Assert.Equal(["samples 6", "samples-ema 6"], Pictures);
            second.Train();
        }
        var expected = new RunFolder(Path.Combine(folder.Path, "whole")).Pictures.All;
        Assert.Equal(expected.Select(picture => $"{picture.Name} {picture.Step}"), Pictures);
        foreach (var (one, other) in expected.Zip(Run.Pictures.All))
            Assert.Equal(File.ReadAllBytes(one.Path), File.ReadAllBytes(other.Path));
        foreach (
            var (one, other) in ModelBundle
                .Load(Path.Combine(folder.Path, "whole"))
                .Model.StateDict()
                .Zip(ModelBundle.Load(Run.Path).Model.StateDict())
        )
            Assert.Equal(one.Value.ToBytes(), other.Value.ToBytes());
    }

    [Fact]
    public void What_cannot_be_measured_is_refused_before_the_first_step()
    {
        var few = Assert.Throws<RunException>(() => Experiment.Begin(Write("generation"), [], Run.Path)).Message;
        Assert.Contains("random-conv:0 has 64 dimensions, and fashion_mnist (test) only 40 images", few, StringComparison.Ordinal);
        Assert.Contains("task.allow_few: true", few, StringComparison.Ordinal);
        var missing = Path.Combine(folder.Path, "missing");
        Assert.Contains(
            missing,
            Assert
                .Throws<RunException>(() =>
                    Experiment.Begin(Write($"{{ name: generation, embedding: 'classifier:{missing}' }}"), [], Run.Path)
                )
                .Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Weights_of_a_run_begin_another_one()
    {
        using (var experiment = Experiment.Begin(Write(), ["schedule.epochs=1"], Run.Path))
            experiment.Train();
        var trained = ModelBundle.Load(Run.Path).Model.StateDict();
        using var second = Experiment.Begin(Write(), [$"model.weights={Run.Path}"], Path.Combine(folder.Path, "second"));
        Assert.All(second.Model.StateDict(), entry => Assert.Equal(trained[entry.Key].ToBytes(), entry.Value.ToBytes()));
    }

    [Fact]
    public void Copies_of_training_images_are_found_also_where_they_are_mirrored()
    {
        var task = new GenerationTask();
        var data = task.Prepare(new DataRecipe("fashion_mnist", Root: Data).OpenTraining());
        var pipeline = new Pipeline([], GenerationFacts.Plain(1));
        var bank = new NearestTraining((data, pipeline));
        Assert.Equal(96, bank.Count);
        Tensor[] images =
        [
            .. new Loader(data, pipeline, new(1) { Workers = 0, Sampler = new EvenlySpaced(96) }).Epoch(0).Select(batch => batch.Inputs),
        ];
        var found = bank.Of(Torch.Cat([images[5], images[17].Flip([3]), images[5] * 0.5 + 0.25], 0), 3);
        Assert.All(found, near => Assert.Equal(3, near.Count));
        Assert.Equal((5, 0.0, false), (found[0][0].Index, found[0][0].Distance, found[0][0].Mirrored));
        Assert.Equal((17, 0.0, true), (found[1][0].Index, found[1][0].Distance, found[1][0].Mirrored));
        var plain = images[5] - (images[5] * 0.5 + 0.25);
        var nearest = images
            .Select(image => Math.Sqrt((images[5] * 0.5 + 0.25 - image).To(DType.Float64).Square().Mean().ToDouble()))
            .Min();
        Assert.True(found[2][0].Distance <= nearest + 1e-9);
        Assert.True(found[2][0].Distance <= Math.Sqrt(plain.Square().Mean().ToDouble()) + 1e-6);
        Assert.Equal(found[2].Select(one => one.Distance).Order(), found[2].Select(one => one.Distance));
    }
}
