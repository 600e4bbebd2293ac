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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_thread_gets_the_objects_of_its_own_image(bool compiled)
    {
        Torch.Threads = 1;
        using var predictor = Predictor.FromBundle(Bundle(), new() { Concurrency = 2, Compiled = compiled });
        Assert.Equal(compiled, predictor.IsCompiled);
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
    public void Compiled_it_finds_the_same_objects()
    {
        Photos.WriteFile(folder["brick.ppm"], "brick", 3);
        using var compiled = Predictor.FromBundle(Bundle(), new() { Compiled = true });
        using var uncompiled = Predictor.FromBundle(Bundle(), new() { Compiled = false });
        var (one, other) = (Found(compiled), Found(uncompiled));
        Assert.NotEmpty(one);
        // An untrained model is as sure of one object as of another: rounding may change their order.
        Assert.All(one.Take(10), each => Assert.Contains(other, same => IsSame(each, same)));

        static bool IsSame(DetectedObject one, DetectedObject other) =>
            one.Class == other.Class
            && Math.Abs(one.Score - other.Score) < 1e-5
            && Math.Abs(one.Box.Left - other.Box.Left) < 1e-2
            && Math.Abs(one.Box.Bottom - other.Box.Bottom) < 1e-2;

        IReadOnlyList<DetectedObject> Found(Predictor predictor) => ((DetectionPrediction)predictor.Predict(folder["brick.ppm"])).Objects;
    }
}
