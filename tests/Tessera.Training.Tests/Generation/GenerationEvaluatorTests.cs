using Tessera.Testing;
using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class GenerationEvaluatorTests
{
    private const int Count = 80;

    private static FeatureEmbedding Embedding => FeatureEmbedding.Open("random-conv:3");

    private static Tensor Chosen(Tensor images, IReadOnlyList<long> numbers) => images.IndexSelect(0, Tensor.From([.. numbers]));

    private static GenerationMetrics Measure(
        Tensor real,
        Tensor generated,
        int batch,
        GenerationEvaluationOptions? options = null,
        FeatureEmbedding? embedding = null
    )
    {
        var evaluator = new GenerationEvaluator(numbers => Chosen(generated, numbers), embedding ?? Embedding, options);
        foreach (var indices in Enumerable.Range(0, (int)real.Size(0)).Chunk(batch))
            evaluator.Add(new(Chosen(real, [.. indices.Select(i => (long)i)]), new NoTargets(indices.Length), indices));
        return evaluator.Measure();
    }

    [Fact]
    public void Halves_of_real_images_are_near_and_noise_is_far()
    {
        using var scope = new Scope();
        var images = Drawn.Images(1, 2 * Count);
        var (half, rest) = (images.Slice(0, 0, Count), images.Slice(0, Count));
        var (near, far) = (Measure(half, rest, 16), Measure(half, Drawn.Noise(1, Count), 16));
        Assert.True(near.Distance < far.Distance / 20, $"{near.Distance} and {far.Distance}");
        Assert.True(near.Kernel.Mean < far.Kernel.Mean / 20);
        Assert.True(near.Overlap.Precision > 0.5 && near.Overlap.Recall > 0.5);
        Assert.Equal((0.0, 0.0), (far.Overlap.Precision, far.Overlap.Recall));
        var same = Measure(half, half, 16);
        Assert.Equal(0, same.Distance, 1e-6);
    }

    [Fact]
    public void Batches_and_processes_do_not_matter()
    {
        using var scope = new Scope();
        var (real, generated) = (Drawn.Images(2, Count), Drawn.Images(3, 2 * Count));
        var options = new GenerationEvaluationOptions
        {
            PerImage = 2,
            Held = 30,
            Subsets = 5,
            SubsetSize = 10,
        };
        var expected = Measure(real, generated, 16, options);
        Assert.Equal((2 * Count, Count, 30, 30), (expected.Count, expected.Real, expected.HeldGenerated, expected.HeldReal));
        Close(expected, Measure(real, generated, 7, options));
        var joined = Ranks.Run(3, group =>
        {
            using var own = new Scope();
            var evaluator = new GenerationEvaluator(numbers => Chosen(generated, numbers), Embedding, options);
            // The third process has none.
            for (var i = group.Rank; group.Rank < 2 && i < Count; i += 2)
                evaluator.Add(new(real.Slice(0, i, i + 1), new NoTargets(1), [i]));
            evaluator.Join(group);
            return evaluator.Measure();
        });
        Assert.All(joined, metrics => Close(expected, metrics));

        static void Close(GenerationMetrics expected, GenerationMetrics found)
        {
            Assert.Equal(expected.Scalars.Keys, found.Scalars.Keys);
            Assert.All(expected.Scalars, figure => Assert.Equal(figure.Value, found.Scalars[figure.Key], 1e-4));
            Assert.Equal((expected.Count, expected.Real), (found.Count, found.Real));
            Assert.Equal((expected.HeldReal, expected.HeldGenerated), (found.HeldReal, found.HeldGenerated));
        }
    }

    [Fact]
    public void Fewer_images_than_dimensions_need_a_permission_and_are_marked()
    {
        using var scope = new Scope();
        var images = Drawn.Images(4, 20);
        var error = Assert.Throws<RunException>(() => Measure(images, images, 8));
        Assert.Equal(
            "20 real and 20 generated images are fewer than the 64 dimensions of random-conv:3, and FD-random-conv:3 of so few is too large: "
                + "measure at least 64 of each, or allow fewer (allow_few: true, --allow-few)",
            error.Message
        );
        var metrics = Measure(images, images, 8, new() { AllowFew = true });
        Assert.True(metrics.IsOfFew);
        Assert.Equal(0, metrics.Distance, 1e-6);
        Assert.Contains(metrics.Tables([])[0].Rows, row => row[0] == "note");
    }

    [Fact]
    public void Every_figure_says_how_many_images_and_which_embedding()
    {
        using var scope = new Scope();
        var embedding = Embedding;
        var metrics = Measure(Drawn.Images(5, Count), Drawn.Images(6, Count), 16, new() { Held = 50 });
        Assert.All(metrics.Rows, row => Assert.Contains(embedding.Facts.Hash[..12], row.Name, StringComparison.Ordinal));
        Assert.StartsWith("FD-random-conv:3 (n 80, ", metrics.Rows[0].Name, StringComparison.Ordinal);
        Assert.Contains(metrics.Rows, row => row.Name.StartsWith("KD-random-conv:3 (n 50, ", StringComparison.Ordinal));
        Assert.DoesNotContain(metrics.Rows, row => row.Name.Contains("FID", StringComparison.Ordinal));
        Assert.Equal(("distance", false), (metrics.Primary, metrics.HigherIsBetter));
        Assert.Equal(metrics.Distance, metrics.Score.Value);
        Assert.Equal(
            ["FID", "IS", "KID"],
            (string[])
                [
                    .. new[] { new EmbeddingFacts("inception-fid", "aa", 2048) }.SelectMany(facts =>
                        (string[])[facts.DistanceName, facts.ScoreName, facts.KernelName]
                    ),
                ]
        );
        Assert.Equal("CS-cct", new EmbeddingFacts("classifier:cct", "aa", 64).ScoreName);
    }

    [Fact]
    public void Images_that_are_not_finite_make_all_figures_so()
    {
        using var scope = new Scope();
        var generated = Drawn.Images(7, Count).Clone();
        generated[3].Fill_(double.NaN);
        var metrics = Measure(Drawn.Images(8, Count), generated, 16);
        Assert.All(metrics.Scalars, figure => Assert.True(double.IsNaN(figure.Value), figure.Key));
    }

    [Fact]
    public void Images_are_measured_as_files_have_them()
    {
        using var scope = new Scope();
        Assert.Equal(
            [0f, 0f, 1 / 255f, 128 / 255f, 1f, 1f],
            EightBits.Round(Tensor.From<float>([-0.3f, 0.4f / 255, 0.5f / 255, 0.5f, 254.6f / 255, 1.7f])).ToArray<float>()
        );
        var images = Drawn.Images(9, Count);
        // What rounding takes away is no difference any more.
        var shifted = images * 255;
        shifted = (shifted.Floor() + 0.2) / 255;
        Assert.Equal(0, Measure(shifted, (shifted * 255 + 0.1) / 255, 16).Distance, 1e-6);
    }

    [Fact]
    public void Real_images_are_embedded_once_with_a_cache()
    {
        using var scope = new Scope();
        var (real, generated) = (Drawn.Images(10, Count), Drawn.Images(11, Count));
        var options = new GenerationEvaluationOptions { Cache = new() };
        var first = Measure(real, generated, 16, options);
        Assert.Equal(0, options.Cache.Hits);
        var second = Measure(real, generated, 16, options);
        Assert.Equal(Count, options.Cache.Hits);
        Assert.Equal(first.Scalars, second.Scalars);
        Assert.Equal(Measure(real, generated, 16).Scalars, second.Scalars);
    }
}
