using Tessera.Data.Imaging;

namespace Tessera.Data.Tests;

public class ImageFilesTests
{
    private static byte[] Ppm(byte value, int height = 6, int width = 5)
        => [.. System.Text.Encoding.ASCII.GetBytes($"P6 {width} {height} 255\n"), .. Enumerable.Repeat(value, 3 * height * width)];

    [Fact]
    public void An_image_folder_sorts_classes_and_files_by_code_point_at_any_depth()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "train/b/2.ppm", "train/b/10.PPM", "train/b/sub/1.ppm", "train/B/x.ppm", "train/a/readme.txt", "train/a/y.ppm" }) folder.Write(name, name.EndsWith(".txt", StringComparison.Ordinal) ? "no image"u8.ToArray() : Ppm(1));
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        Assert.Equal(["B", "a", "b"], set.ClassNames);
        Assert.Equal(["B/x.ppm", "a/y.ppm", "b/10.PPM", "b/2.ppm", "b/sub/1.ppm"], Enumerable.Range(0, set.Count).Select(i => Path.GetRelativePath(Path.Combine(folder.Path, "train"), set.SampleName(i))));
        Assert.Equal([0, 1, 2, 2, 2], set.Labels);
        Directory.CreateDirectory(Path.Combine(folder.Path, "train", "empty"));
        Assert.Contains("holds no image", Assert.Throws<DataException>(() => Datasets.Open("image_folder", "train", folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unreadable_images_are_listed_and_replaced_the_same_way_whatever_the_workers()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 200; i++) folder.Write($"{i % 2}/{i:D3}.ppm", Ppm((byte)i));
        // Bad in many ways, 2 % of all.
        folder.Write("0/010.ppm", []);
        folder.Write("1/021.ppm", "this is text"u8.ToArray());
        folder.Write("0/032.ppm", Ppm(1)[..20]);
        folder.Write("1/043.ppm", [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3]);
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        var runs = new[] { 0, 1, 4 }.Select(workers =>
        {
            var loader = new Loader(set, Pipeline.Plain, 16, seed: 5, shuffle: true, workers: workers, unreadableLimit: 0.02);
            var (indices, values) = (new List<int>(), new List<float>());
            foreach (var batch in loader.Epoch(1))
                using (batch)
                {
                    indices.AddRange(batch.Indices);
                    values.AddRange(batch.Inputs.ToArray<float>());
                    Assert.Equal(batch.Indices.Select(index => (long)set.Labels[index]), batch.Labels.ToArray<long>());
                }
            return (Indices: indices.ToArray(), Values: values.ToArray(), loader.Unreadable);
        }).ToArray();
        foreach (var run in runs)
        {
            Assert.Equal(200, run.Indices.Length);
            Assert.Equal(["010.ppm", "032.ppm", "021.ppm", "043.ppm"], run.Unreadable.Select(image => Path.GetFileName(image.Name)));
            Assert.All(run.Unreadable, image => Assert.DoesNotContain(image.Index, run.Indices));
            Assert.Equal(runs[0].Indices, run.Indices);
            Assert.Equal(runs[0].Values, run.Values);
        }
    }

    [Fact]
    public void Too_many_unreadable_images_stop_the_run()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 50; i++) folder.Write($"a/{i}.ppm", i < 2 ? [] : Ppm(1));
        var loader = new Loader(Datasets.Open("image_folder", "train", folder.Path), Pipeline.Plain, 10);
        var error = Assert.Throws<DataException>(() =>
        {
            foreach (var batch in loader.Epoch(0)) batch.Dispose();
        });
        Assert.Contains("1 of 50 images cannot be read, more than the limit of 1.0", error.Message, StringComparison.Ordinal);
        Assert.Contains(".ppm: an empty file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Images_of_different_size_in_a_batch_are_an_error_that_says_what_to_do()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a/1.ppm", Ppm(1));
        folder.Write("a/2.ppm", Ppm(1, 7));
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        var error = Assert.Throws<DataException>(() => new Loader(set, Pipeline.Plain, 2, workers: 0).Epoch(0).First());
        Assert.Contains("add a crop or resize", error.Message, StringComparison.Ordinal);
        using var batch = new Loader(set, new Pipeline([new EvaluationCrop(4)]), 2, workers: 0).Epoch(0).First();
        Assert.Equal([2, 3, 4, 4], batch.Inputs.Shape.ToArray());
    }
}
