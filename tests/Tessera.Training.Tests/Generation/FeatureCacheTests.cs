using Tessera.Testing;
using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class FeatureCacheTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Counts the images that it is asked for.
    private sealed class Counting(string hash, int width = 2) : FeatureEmbedding(new("random-conv:9", hash, width), Device.Cpu)
    {
        internal List<long> Asked { get; } = [];

        protected override EmbeddedImages Embed(Tensor images)
        {
            Asked.Add(images.Size(0));
            var mean = images.Mean([1, 2, 3]);
            return new(Torch.Stack([.. Enumerable.Range(1, Facts.Dimension).Select(factor => mean * (double)factor)], 1), null);
        }
    }

    [Fact]
    public void An_image_is_computed_once_whatever_the_batches()
    {
        using var scope = new Scope();
        var images = Drawn.Images(1, 6);
        var embedding = new Counting("aa");
        var cache = new FeatureCache();
        var expected = embedding.Of(images).Features.ToArray<float>();
        embedding.Asked.Clear();
        Assert.Equal(expected[..8], cache.Of(images.Slice(0, 0, 4), embedding).Features.ToArray<float>());
        Assert.Equal(expected, cache.Of(images, embedding).Features.ToArray<float>());
        Assert.Equal([4L, 2L], embedding.Asked);
        Assert.Equal(4, cache.Hits);
        // Another pixel is another image.
        var changed = images.Clone();
        changed[2][1][3][3].Fill_(0.25);
        cache.Of(changed, embedding);
        Assert.Equal([4L, 2L, 1L], embedding.Asked);
    }

    [Fact]
    public void Files_know_images_and_embedding()
    {
        using var scope = new Scope();
        var images = Drawn.Images(2, 5);
        var first = new FeatureCache(folder.Path);
        var expected = first.Of(images, new Counting("aa")).Features.ToArray<float>();
        first.Save();
        var again = new Counting("aa");
        var cache = new FeatureCache(folder.Path);
        Assert.Equal(expected, cache.Of(images, again).Features.ToArray<float>());
        Assert.Empty(again.Asked);
        var other = new Counting("bb");
        cache.Of(images, other);
        Assert.Equal([5L], other.Asked);
        // What two programs have learnt by themselves is kept together.
        var (left, right) = (new FeatureCache(folder.Path), new FeatureCache(folder.Path));
        left.Of(Drawn.Images(3, 2), new Counting("aa"));
        right.Of(Drawn.Images(4, 2), new Counting("aa"));
        left.Save();
        right.Save();
        var all = new Counting("aa");
        var last = new FeatureCache(folder.Path);
        foreach (var seed in (int[])[2, 3, 4])
            last.Of(Drawn.Images(seed, seed == 2 ? 5 : 2), all);
        Assert.Empty(all.Asked);
        Assert.Equal(["aa.safetensors"], folder.Names);
    }

    [Fact]
    public void What_is_beyond_the_limit_is_computed_each_time()
    {
        using var scope = new Scope();
        var (cache, embedding) = (new FeatureCache(mostBytes: 3 * 2 * sizeof(float)), new Counting("aa"));
        var images = Drawn.Images(5, 5);
        var expected = embedding.Of(images).Features.ToArray<float>();
        for (var time = 0; time < 2; time++)
            Assert.Equal(expected, cache.Of(images, embedding).Features.ToArray<float>());
        Assert.Equal([5L, 5L, 2L], embedding.Asked);
    }

    [Fact]
    public void A_file_of_something_else_is_refused_by_name()
    {
        using var scope = new Scope();
        var cache = new FeatureCache(folder.Path);
        cache.Of(Drawn.Images(6, 3), new Counting("aa"));
        cache.Save();
        var path = folder["aa.safetensors"];
        var error = Assert.Throws<RunException>(() => new FeatureCache(folder.Path).Of(Drawn.Images(6, 3), new Counting("aa", width: 3)));
        Assert.StartsWith($"{path} does not hold features of random-conv:9 (3 dimensions, aa)", error.Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^3]);
        var cut = Assert.Throws<RunException>(() => new FeatureCache(folder.Path).Of(Drawn.Images(6, 3), new Counting("aa")));
        Assert.Contains(path, cut.Message, StringComparison.Ordinal);
    }
}
