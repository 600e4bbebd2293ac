using Tessera.Data;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Hosting.Tests;

/// <summary>Models that give a class for each pixel, asked by programs that serve.</summary>
public sealed class SegmentationPredictorTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static ModelBundle Bundle()
    {
        Torch.Seed(7);
        var spec = new ModelSpec("mit_micro_32", new() { Classes = 3 }, new SegFormerOptions(8));
        var model = spec.Create();
        model.Eval();
        var facts = new SegmentationFacts(
            ["a", "b", "c"],
            3,
            null,
            null,
            [0.5f, 0.5f, 0.5f],
            [0.2f, 0.2f, 0.2f],
            ["#000000", "#ff0000", "#00ff00"]
        );
        var preparation = new EvaluationTransforms([new ResizeWithin(32)]);
        return new(model, new(spec, new SegmentationTask(), facts, preparation, Precision.Fp32), "test");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(null)]
    public async Task Every_thread_gets_the_map_of_its_own_image(bool? compiled)
    {
        Torch.Threads = 1;
        using var predictor = Predictor.FromBundle(Bundle(), new() { Compiled = compiled, Concurrency = 2 });
        string[] files = ["brick.ppm", "grass.ppm", "sky.ppm"];
        foreach (var (i, file) in files.Index())
            Photos.WriteFile(folder[file], Path.GetFileNameWithoutExtension(file), 3 + i);
        SegmentationPrediction[] expected = [.. files.Select(file => Ask(folder[file]))];
        Assert.All(expected, one => Assert.DoesNotContain(LabelMap.Ignored, one.Map.Ids));
        Assert.NotEqual(expected[0].Map.Ids, expected[1].Map.Ids);
        Together.Run(4, 6, (thread, round) =>
        {
            var number = (thread + round) % files.Length;
            var found = Ask(folder[files[number]]);
            Assert.Equal(expected[number].Map.Ids, found.Map.Ids);
            Assert.Equal(expected[number].Classes, found.Classes);
        });
        Assert.True(await predictor.AnswersAsync(CancellationToken.None));
        var awaited = (SegmentationPrediction)await predictor.PredictAsync(await File.ReadAllBytesAsync(folder[files[2]]));
        Assert.Equal(expected[2].Map.Ids, awaited.Map.Ids);

        SegmentationPrediction Ask(string file) => (SegmentationPrediction)predictor.Predict(file);
    }
}
