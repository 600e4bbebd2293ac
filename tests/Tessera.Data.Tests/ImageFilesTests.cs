using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class ImageFilesTests
{
    private static byte[] Ppm(byte value, int height = 6, int width = 5) => Pnm.Colored(value, width, height);

    [Fact]
    public void An_image_folder_sorts_classes_and_files_by_code_point_at_any_depth()
    {
        using var folder = new TempFolder();
        foreach (
            var name in new[]
            {
                "train/b/2.ppm",
                "train/b/10.PPM",
                "train/b/sub/1.ppm",
                "train/B/x.ppm",
                "train/a/readme.txt",
                "train/a/y.ppm",
            }
        )
            folder.Write(name, name.EndsWith(".txt", StringComparison.Ordinal) ? "no image"u8.ToArray() : Ppm(1));
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        Assert.Equal(["B", "a", "b"], set.ClassNames);
        Assert.Equal(
            ["B/x.ppm", "a/y.ppm", "b/10.PPM", "b/2.ppm", "b/sub/1.ppm"],
            Enumerable.Range(0, set.Count).Select(i => Path.GetRelativePath(Path.Combine(folder.Path, "train"), set.SampleName(i)))
        );
        Assert.Equal([0, 1, 2, 2, 2], ClassLabels.Of(set).Labels);
        Directory.CreateDirectory(Path.Combine(folder.Path, "train", "empty"));
        Assert.Contains(
            "holds no image",
            Assert.Throws<DataException>(() => Datasets.Open("image_folder", "train", folder.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Unreadable_images_are_listed_and_replaced_the_same_way_whatever_the_workers()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 200; i++)
            folder.Write($"{i % 2}/{i:D3}.ppm", Ppm((byte)i));
        // Bad in many ways, 2 % of all.
        folder.Write("0/010.ppm", []);
        folder.Write("1/021.ppm", "this is text"u8.ToArray());
        folder.Write("0/032.ppm", Ppm(1)[..20]);
        folder.Write("1/043.ppm", [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3]);
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        var runs = new[] { 0, 1, 4 }
            .Select(workers =>
            {
                var loader = new Loader(
                    set,
                    Pipeline.Plain,
                    new(16)
                    {
                        Seed = 5,
                        Shuffle = true,
                        Workers = workers,
                        UnreadableLimit = 0.02,
                    }
                );
                var (indices, values) = (new List<int>(), new List<float>());
                foreach (var batch in loader.Epoch(1))
                    using (batch)
                    {
                        indices.AddRange(batch.Indices);
                        values.AddRange(batch.Inputs.ToArray<float>());
                        Assert.Equal(
                            batch.Indices.Select(index => (long)ClassLabels.Of(set).Labels[index]),
                            ClassTargets.Of(batch).Labels.ToArray<long>()
                        );
                    }
                return (Indices: indices.ToArray(), Values: values.ToArray(), loader.Unreadable);
            })
            .ToArray();
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
        using var folder = new TempFolder();
        for (var i = 0; i < 50; i++)
            folder.Write($"a/{i}.ppm", i < 12 ? [] : Ppm(1));
        var loader = new Loader(Datasets.Open("image_folder", "train", folder.Path), Pipeline.Plain, new(10));
        var error = Assert.Throws<DataException>(() =>
        {
            foreach (var batch in loader.Epoch(0))
                batch.Dispose();
        });
        Assert.Contains(
            "10 of 50 images cannot be read, more than 9 (data.unreadable_allowed) and than 1 % (data.unreadable_limit)",
            error.Message,
            StringComparison.Ordinal
        );
        Assert.Contains(".ppm: an empty file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_limit_is_reached_at_the_same_batch_whatever_the_workers()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 60; i++)
            folder.Write($"a/{i:D2}.ppm", i % 10 == 9 ? [] : Ppm(1));
        var set = Datasets.Open("image_folder", "train", folder.Path);
        var ends = new[] { 0, 1, 4 }
            .Select(workers =>
            {
                var loader = new Loader(
                    set,
                    Pipeline.Plain,
                    new(4)
                    {
                        Workers = workers,
                        Prefetch = 8,
                        UnreadableLimit = 0.05,
                    }
                );
                var listed = new List<string>();
                var error = Assert.Throws<DataException>(() =>
                {
                    foreach (var batch in loader.Epoch(0))
                    {
                        listed.Add(string.Join(", ", batch.Unreadable.Select(image => image.Index)));
                        batch.Dispose();
                    }
                });
                Assert.InRange(listed.Count, 3, 9);
                return $"{error.Message} after {string.Join("; ", listed)}";
            })
            .ToArray();
        Assert.Contains("4 of 60 images cannot be read", ends[0], StringComparison.Ordinal);
        Assert.All(ends, end => Assert.Equal(ends[0], end));
    }

    [Fact]
    public void Where_a_model_is_measured_unreadable_images_are_left_out()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 10; i++)
            folder.Write($"a/{i}.ppm", i is 1 or 4 or 5 ? [] : Ppm((byte)i));
        var loader = new Loader(
            Datasets.Open("image_folder", "train", folder.Path),
            Pipeline.Plain,
            new(2)
            {
                Workers = 2,
                UnreadableLimit = 0.5,
                Replacement = Replacement.None,
            }
        );
        var (shapes, indices) = (new List<string>(), new List<int>());
        foreach (var batch in loader.Epoch(0))
            using (batch)
            {
                shapes.Add(batch.Inputs.Shape.ToString());
                indices.AddRange(batch.Indices);
                Assert.Equal(batch.Count, ClassTargets.Of(batch).Labels.Size(0));
            }
        Assert.Equal([0, 2, 3, 6, 7, 8, 9], indices);
        // Nothing is left of the third batch.
        Assert.Equal(["[1, 3, 6, 5]", "[2, 3, 6, 5]", "[2, 3, 6, 5]", "[2, 3, 6, 5]"], shapes);
        Assert.Equal([1, 4, 5], loader.Unreadable.Select(image => image.Index));
    }

    [Fact]
    public void A_set_of_which_nothing_can_be_read_ends_instead_of_drawing_forever()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 200; i++)
            folder.Write($"a/{i}.ppm", []);
        var loader = new Loader(
            Datasets.Open("image_folder", "train", folder.Path),
            Pipeline.Plain,
            new(10) { Workers = 0, UnreadableLimit = 0.999 }
        );
        Assert.Contains(
            "100 images in a row",
            Assert.Throws<DataException>(() => loader.Epoch(0).First()).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Images_of_different_size_in_a_batch_are_an_error_that_says_what_to_do()
    {
        using var folder = new TempFolder();
        folder.Write("a/1.ppm", Ppm(1));
        folder.Write("a/2.ppm", Ppm(1, 7));
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        var error = Assert.Throws<DataException>(() => new Loader(set, Pipeline.Plain, new(2) { Workers = 0 }).Epoch(0).First());
        Assert.Contains("add a crop or resize", error.Message, StringComparison.Ordinal);
        using var batch = new Loader(set, new Pipeline([new EvaluationCrop(4)]), new(2) { Workers = 0 }).Epoch(0).First();
        Assert.Equal([2, 3, 4, 4], batch.Inputs.Shape.ToArray());
    }
}
