using Tessera.Data.Checks;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Long work on data ends when it is asked to.</summary>
public sealed class CancellationTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void An_epoch_ends_between_two_batches(int workers)
    {
        using var stop = new CancellationTokenSource();
        var loader = new Loader(MadeUp.Numbered(40), Pipeline.Plain, new(4) { Workers = workers });
        var seen = 0;
        var error = Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            foreach (var batch in loader.Epoch(0, stop: stop.Token))
            {
                batch.Dispose();
                if (++seen == 3)
                    stop.Cancel();
            }
        });
        Assert.Equal((3, stop.Token), (seen, error.CancellationToken));
        // Nothing is left of it.
        Assert.Equal(10, Count(loader.Epoch(0)));
    }

    private static int Count(IEnumerable<Batch> batches)
    {
        using var scope = new Scope();
        return batches.Count();
    }

    [Fact]
    public async Task It_ends_while_it_waits_for_a_batch()
    {
        using var stop = new CancellationTokenSource();
        using var reading = new Gate();
        var loader = new Loader(new Slow(reading), Pipeline.Plain, new(1) { Workers = 1 });
        var consumer = Task.Run(() =>
        {
            using var batches = loader.Epoch(0, stop: stop.Token).GetEnumerator();
            try
            {
                batches.MoveNext();
                return false;
            }
            catch (OperationCanceledException)
            {
                return true;
            }
        });
        reading.WaitForOne();
        await stop.CancelAsync();
        // The sample in the making is read to its end before the worker goes.
        reading.Open();
        Assert.True(await consumer);
    }

    private sealed class Slow(Gate reading) : ImageDataset("slow", "train", ["a"], [0, 0])
    {
        public override int Channels => 1;

        public override int? Height => 1;

        public override int? Width => 1;

        public override Normalization Normalization { get; } = new([0], [1]);

        public override void Read(int index, Raster target)
        {
            reading.Pass();
            target.Resize(1, 1, 1);
        }
    }

    [Fact]
    public void A_search_through_folders_ends()
    {
        for (var label = 0; label < 3; label++)
            folder.Write($"class{label}/deep/a.ppm", Pnm.Pixels(1, 1, 1, 2, 3));
        using var stop = new CancellationTokenSource();
        Assert.Equal(3, Datasets.Open("image_folder", "train", folder.Path, stop.Token).Count);
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Datasets.Open("image_folder", "train", folder.Path, stop.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => new FolderScan(folder.Path, stop: stop.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => OpenedSplits.Open("image_folder", folder.Path, stop.Token));
    }

    [Fact]
    public void A_walk_through_a_folder_ends_in_its_middle()
    {
        folder.Write("a/x.ppm", "");
        using var stop = new CancellationTokenSource();
        var scan = new FolderScan(folder.Path, stop: stop.Token);
        Assert.Single(scan.Walk(folder["a"]));
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => scan.Walk(folder["a"]));
    }
}
