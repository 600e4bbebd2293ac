using Tessera.Models;

namespace Tessera.Training.Tests;

/// <summary>Small students, teachers and batches for the tests of training methods.</summary>
internal static class Small
{
    internal const int Side = 16,
        Classes = 3,
        BatchSize = 6,
        Batches = 3;

    internal static int LabelOf(int index) => index * 7 % 5 % Classes;

    /// <summary>Batches that depend on epoch and number alone; each class lights up another part of the image.</summary>
    internal static FunctionSource Source(int side = Side) => new(Batches, (epoch, skip) => Enumerable
                .Range(skip, Batches - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 100 + number);
                    var labels = Enumerable.Range(number * BatchSize, BatchSize).Select(i => (long)LabelOf(i)).ToArray();
                    var pixels = labels
                        .SelectMany(label =>
                            Enumerable
                                .Range(0, 3 * side * side)
                                .Select(i => (float)(random.NextDouble() - 0.5 + (i / side % side * Classes / side == label ? 1.5 : 0)))
                        )
                        .ToArray();
                    var views = Enumerable
                        .Range(0, BatchSize)
                        .Select(i => i % 2 == 0 ? ImageView.Full : ImageView.Full.Window(0.25, 0, 0.5, 1).Mirrored)
                        .ToArray();
                    return Tests
                        .Batches.Labelled(
                            Tensor.From(pixels, BatchSize, 3, side, side),
                            Tensor.From(labels),
                            [.. Enumerable.Range(number * BatchSize, BatchSize)]
                        )
                        .Showing(views);
                }));

    /// <summary>The same batches with a second view of each image: mirrored, and with noise of its own.</summary>
    internal static FunctionSource Pairs(int side = Side) => new(Batches, (epoch, skip) => Source(side)
                .Epoch(epoch, skip)
                .Select(batch =>
                {
                    var random = new Random(epoch * 100 + 50 + batch.Indices[0]);
                    var noise = Enumerable.Range(0, (int)batch.Inputs.Elements).Select(_ => (float)random.NextDouble() - 0.5f).ToArray();
                    var second = batch.Inputs.Flip([3]) + Tensor.From(noise, batch.Inputs.Shape.AsSpan());
                    return batch with { Views = [batch.Views[0], new(second)] };
                }));

    internal static ResNet ResNet() => new(new((Side, Side), [1, 1, 1, 1], false, Classes, Stem: ResNetStem.Small, Width: 4));

    internal static Vit Vit(int dim = 24, int? lastHeads = null) =>
        new(new((Side, Side), 4, dim, 3, 3, Classes, DropPath: 0.1, LastHeads: lastHeads, EvenDropPath: lastHeads is not null));

    internal static BootstrapVit Bootstrap() =>
        new(new((Side, Side), 4, 18, 2, 9, 36, Classes, Dropout: 0.1, Init: BootstrapInit.Corrected));

    internal static GuideResNet Guide() => new(new(1, (Side, Side), [4, 8, 8], Classes));

    internal static Swin Swin() => new(new((Side, Side), 8, [1, 2], [1, 2], Window: 2, Patch: 2, Classes: Classes, DropPath: 0.1));

    internal static VitasSupernet Supernet(VitasSharing sharing) =>
        new(new(new([4, 8], 16, 2, [1, 2], 24, 24, [0.5, 1]), (Side, Side), Classes) { Sharing = sharing });

    internal static LvVit LvVit() => new(new((Side, Side), 4, 12, 2, 3, 1, 8, Classes));

    internal static DynamicVit Dynamic() => new(new((Side, Side), 4, 24, 3, 3, [1, 2], [0.7, 0.5], Classes: Classes));

    internal static RevCol RevCol() => new(new((32, 32), [8, 8, 8, 8], [1, 1, 1, 1], 4, Classes: Classes));

    /// <summary>A data set of square images of three colours.</summary>
    /// <param name="count">How many.</param>
    /// <param name="draw">Fills the image of an index.</param>
    internal static ImageDataset Images(int count, Action<int, Raster> draw) => new Drawn(count, draw);

    private sealed class Drawn(int count, Action<int, Raster> draw)
        : ImageDataset("drawn", "train", ["a", "b", "c"], [.. Enumerable.Range(0, count).Select(LabelOf)])
    {
        public override int Channels => 3;
        public override int? Height => Side;
        public override int? Width => Side;
        public override Normalization Normalization => Normalization.Inception;
        public override bool InMemory => true;

        public override void Read(int index, Raster target)
        {
            target.Resize(3, Side, Side);
            draw(index, target);
        }
    }
}
