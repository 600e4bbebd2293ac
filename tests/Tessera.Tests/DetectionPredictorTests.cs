using Tessera.Data;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Detection;

namespace Tessera.Hosting.Tests;

/// <summary>Models that find objects, asked by programs that serve.</summary>
public sealed class DetectionPredictorTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static ModelBundle Bundle()
    {
        Torch.Seed(7);
        var spec = new ModelSpec("mit_micro_32", new() { Classes = 3 }, new FasterRcnnOptions(Width: 8, FcWidth: 16));
        var model = spec.Create();
        model.Eval();
        var facts = new DetectionFacts(
            ["a", "b", "c"],
            3,
            null,
            null,
            [0.5f, 0.5f, 0.5f],
            [0.2f, 0.2f, 0.2f],
            ["#800000", "#ff0000", "#00ff00"]
        );
        // An untrained model is sure of nothing.
        var task = new DetectionTask(Threshold: 0);
        return new(model, new(spec, task, facts, new EvaluationTransforms([new ResizeWithin(32)]), Precision.Fp32), "test");
    }

    [Fact]
    public async Task Every_thread_gets_the_objects_of_its_own_image()
    {
        Torch.Threads = 1;
        using var predictor = Predictor.FromBundle(Bundle(), new() { Concurrency = 2 });
        Assert.False(predictor.IsCompiled);
        string[] files = ["brick.ppm", "grass.ppm", "sky.ppm"];
        foreach (var (i, file) in files.Index())
            Photos.WriteFile(folder[file], Path.GetFileNameWithoutExtension(file), 3 + i);
        DetectionPrediction[] expected = [.. files.Select(file => Ask(folder[file]))];
        Assert.Contains(expected, one => one.Objects.Count > 0);
        Together.Run(4, 4, (thread, round) =>
        {
            var number = (thread + round) % files.Length;
            Assert.Equal(expected[number].Objects, Ask(folder[files[number]]).Objects);
        });
        Assert.True(await predictor.AnswersAsync(CancellationToken.None));

        DetectionPrediction Ask(string file) => (DetectionPrediction)predictor.Predict(file);
    }

    [Fact]
    public void A_detector_that_must_be_compiled_is_refused_in_a_sentence()
    {
        var refused = Assert.Throws<RunException>(() => Predictor.FromBundle(Bundle(), new() { Compiled = true }));
        Assert.Contains("Compiled cannot be true: boxes are chosen out of the maps", refused.Message, StringComparison.Ordinal);
    }
}
