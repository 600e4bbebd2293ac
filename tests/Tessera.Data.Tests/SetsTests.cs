using System.Text;
using Tessera.Data.Formats;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Text;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class SetsTests
{
    [Fact]
    public void Stl10_is_turned_from_columns_into_rows_and_labels_count_from_zero()
    {
        using var folder = new TempFolder();
        var pixels = new byte[2 * 3 * 96 * 96];
        pixels[1] = 7;
        folder.Write("stl10_binary/train_X.bin", pixels);
        folder.Write("stl10_binary/train_y.bin", [1, 10]);
        var set = Datasets.OpenImages("stl10", "train", folder.Path);
        var image = new Raster();
        set.Read(0, image);
        Assert.Equal(7, image.Row(0, 1)[0]);
        Assert.Equal(0, image.Row(0, 0)[1]);
        Assert.Equal([0, 9], ClassLabels.Of(set).Labels);
        folder.Write("stl10_binary/train_y.bin", [1, 11]);
        Assert.Equal(1, Assert.Throws<DataFormatException>(() => Datasets.Open("stl10", "train", folder.Path)).Offset);
    }

    [Fact]
    public void Flowers_go_by_the_numbers_of_their_matlab_files()
    {
        using var folder = new TempFolder();
        foreach (var name in new[] { "imagelabels.mat", "setid.mat" })
            File.Copy(Repository.Tests("goldens", "datasets", name), Path.Combine(folder.Path, name));
        var train = Datasets.OpenImages("flowers102", "train", folder.Path);
        Assert.Equal(["image_00006.jpg", "image_00002.jpg"], Enumerable.Range(0, 2).Select(i => Path.GetFileName(train.SampleName(i))));
        Assert.Equal([49, 76], ClassLabels.Of(train).Labels);
        Assert.Equal(3, Datasets.Open("flowers102", "trainval", folder.Path).Count);
        Assert.Equal([2, 101, 0], ClassLabels.Of(Datasets.Open("flowers102", "test", folder.Path)).Labels);
    }

    [Fact]
    public void Cub_is_divided_by_its_list_or_by_class()
    {
        using var folder = new TempFolder();
        folder.Write("images.txt", "1 001.A/a.jpg\n2 001.A/b.jpg\n3 150.B/c.jpg\n");
        folder.Write("image_class_labels.txt", "1 1\n2 1\n3 150\n");
        folder.Write("train_test_split.txt", "1 0\n2 1\n3 1\n");
        folder.Write("classes.txt", string.Concat(Enumerable.Range(1, 200).Select(i => $"{i} {i:D3}.X\n")));
        Assert.Equal([0, 149], ClassLabels.Of(Datasets.Open("cub200", "train", folder.Path)).Labels);
        Assert.Equal([0], ClassLabels.Of(Datasets.Open("cub200", "test", folder.Path)).Labels);
        Assert.Equal([0, 0], ClassLabels.Of(Datasets.Open("cub200", "retrieval_train", folder.Path)).Labels);
        Assert.Equal([149], ClassLabels.Of(Datasets.Open("cub200", "retrieval_test", folder.Path)).Labels);
        folder.Write("image_class_labels.txt", "1 1\n");
        Assert.Contains(
            "1 lines, and there must be 3: one per image",
            Assert.Throws<DataFormatException>(() => Datasets.Open("cub200", "train", folder.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Tiny_imagenet_sorts_its_classes()
    {
        using var folder = new TempFolder();
        folder.Write("wnids.txt", "n02\nn01\n");
        folder.Write("train/n01/images/n01_0.JPEG", []);
        folder.Write("train/n02/images/n02_0.JPEG", []);
        folder.Write("val/val_annotations.txt", "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n");
        Assert.Equal(["n01", "n02"], Datasets.Open("tiny_imagenet", "train", folder.Path).ClassNames);
        Assert.Equal([1, 0], ClassLabels.Of(Datasets.Open("tiny_imagenet", "val", folder.Path)).Labels);
    }

    [Fact]
    public void Flat_validation_images_of_imagenet_get_the_sorted_class_not_the_kits_number()
    {
        using var folder = new TempFolder();
        folder.Write("val/ILSVRC2012_val_00000001.JPEG", []);
        folder.Write("val/ILSVRC2012_val_00000002.JPEG", []);
        folder.Write("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", "1\n2\n");
        folder.Write(
            "ILSVRC2012_devkit_t12/data/meta.mat",
            MatWriter.Structures(
                "synsets",
                [("ILSVRC2012_ID", 1.0), ("WNID", "n03"), ("num_children", 0.0)],
                [("ILSVRC2012_ID", 2.0), ("WNID", "n01"), ("num_children", 0.0)],
                [("ILSVRC2012_ID", 1001.0), ("WNID", "n02"), ("num_children", 4.0)]
            )
        );
        var set = Datasets.Open("imagenet", "val", folder.Path);
        Assert.Equal(["n01", "n03"], set.ClassNames);
        Assert.Equal([1, 0], ClassLabels.Of(set).Labels);
    }

    [Fact]
    public void Texts_are_read_with_their_labels()
    {
        using var folder = new TempFolder();
        folder.Write("train.csv", "\"3\",\"Wall St. \"\"Bears\"\"\",\"Short-sellers,\\nback\"\n\"1\",\"A\",\"B\nC\"\n");
        var news = (TextDataset)Datasets.Open("ag_news", "train", folder.Path);
        Assert.Equal([2, 0], ClassLabels.Of(news).Labels);
        Assert.Equal(["Wall St. \"Bears\" Short-sellers, back", "A B\nC"], news.Texts);
        folder.Write("train_5500.label", Encoding.Latin1.GetBytes("DESC:manner How did é ?\nNUM:count How many ?\n"));
        var questions = (TextDataset)Datasets.Open("trec", "train", folder.Path);
        Assert.Equal([1, 5], ClassLabels.Of(questions).Labels);
        Assert.Equal("How did é ?", questions.Texts[0]);
        folder.Write("dev.tsv", "sentence\tlabel\nit 's \"good\t1\nbad \t0\n");
        var reviews = (TextDataset)Datasets.Open("sst2", "dev", folder.Path);
        Assert.Equal([1, 0], ClassLabels.Of(reviews).Labels);
        Assert.Equal("it 's \"good", reviews.Texts[0]);
        folder.Write("dev.tsv", "sentence\tlabel\ngood\t2\n");
        Assert.Contains(
            "line 2: label '2'",
            Assert.Throws<DataFormatException>(() => Datasets.Open("sst2", "dev", folder.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Words_get_ids_by_frequency_and_batches_are_padded_and_masked()
    {
        var source = new TextDataset("made up", "train", ["The cat, the dog.", "The bird's", ""], new ClassLabels(["a", "b"], [0, 1, 1]));
        var vocabulary = Vocabulary.Build(source.Texts);
        Assert.Equal(["<unk>", "<pad>", "the", ",", ".", "bird's", "cat", "dog"], vocabulary.Words);
        var loader = new Loader(new EncodedText(source, vocabulary, 4), Pipeline.Plain, new(3) { Workers = 1 });
        using var batch = loader.Epoch(0).Single();
        Assert.Equal([3, 4], batch.Inputs.Shape.ToArray());
        Assert.Equal([2, 6, 3, 2, 2, 5, 1, 1, 0, 1, 1, 1], batch.Inputs.ToArray<long>());
        Assert.Equal([true, true, true, true, true, true, false, false, true, false, false, false], batch.Mask!.ToArray<bool>());
        Assert.Equal([0L, 1, 1], ClassTargets.Of(batch).Labels.ToArray<long>());
    }

    [Fact]
    public void Word_vectors_fill_the_rows_of_known_words()
    {
        using var folder = new TempFolder();
        var vocabulary = new Vocabulary(["<unk>", "<pad>", "cat", "dog"]);
        var path = folder.Write("vectors.txt", "the 0.5 1\ncat 1.5 -2\n. . . 3 4\n");
        var vectors = WordVectors.Read(path, vocabulary);
        Assert.Equal((2, 1), (vectors.Dimension, vectors.Found));
        Assert.Equal([0, 0, 1.5f, -2], vectors.Values[2..6]);
        Assert.NotEqual(0, vectors.Values[6]);
        Assert.Equal(vectors.Values, WordVectors.Read(path, vocabulary).Values);
        Assert.ThrowsAny<OperationCanceledException>(() => WordVectors.Read(path, vocabulary, stop: new(canceled: true)));
        Assert.Contains(
            "line 2",
            Assert
                .Throws<DataFormatException>(() => WordVectors.Read(folder.Write("bad.txt", "the 0.5 1\ncat 1.5 x\n"), vocabulary))
                .Message,
            StringComparison.Ordinal
        );
    }
}
