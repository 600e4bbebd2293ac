using System.Collections.Concurrent;
using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class LoaderTests
{
    private static readonly Pipeline augmented = new([new RandomCrop(Pad: 2), new RandomHorizontalFlip(), new RandomShift(1)]);

    private static List<(float[] Inputs, long[] Labels, int[] Indices)> Run(Loader loader, int epoch, int skip = 0)
    {
        var result = new List<(float[], long[], int[])>();
        foreach (var batch in loader.Epoch(epoch, skip))
            using (batch)
                result.Add((batch.Inputs.ToArray<float>(), ClassTargets.Of(batch).Labels.ToArray<long>(), [.. batch.Indices]));
        return result;
    }

    private static void Same(List<(float[] Inputs, long[] Labels, int[] Indices)> a, List<(float[] Inputs, long[] Labels, int[] Indices)> b)
    {
        Assert.Equal(a.Count, b.Count);
        for (var i = 0; i < a.Count; i++)
        {
            Assert.Equal(a[i].Indices, b[i].Indices);
            Assert.Equal(a[i].Labels, b[i].Labels);
            Assert.Equal(a[i].Inputs, b[i].Inputs);
        }
    }

    [Fact]
    public void Order_and_augmentation_do_not_depend_on_workers_prefetch_or_batches_skipped() =>
        Prop.ForAll(Gen.Choose(1, 5).Two().Zip(Gen.Choose(0, 7).Two()).ToArbitrary(), draw =>
            {
                var ((workers, prefetch), (epoch, skip)) = draw;
                var set = MadeUp.Noise(37);
                var expected = Run(
                    new Loader(
                        set,
                        augmented,
                        new(5)
                        {
                            Seed = 9,
                            Shuffle = true,
                            Workers = 0,
                        }
                    ),
                    epoch
                );
                Same(
                    expected,
                    Run(
                        new Loader(
                            set,
                            augmented,
                            new(5)
                            {
                                Seed = 9,
                                Shuffle = true,
                                Workers = workers,
                                Prefetch = prefetch,
                            }
                        ),
                        epoch
                    )
                );
                Same(
                    expected[skip..],
                    Run(
                        new Loader(
                            set,
                            augmented,
                            new(5)
                            {
                                Seed = 9,
                                Shuffle = true,
                                Workers = workers,
                            }
                        ),
                        epoch,
                        skip
                    )
                );
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Every_sample_comes_once_per_epoch_in_another_order_each_time()
    {
        var loader = new Loader(MadeUp.Numbered(100), Pipeline.Plain, new(7) { Seed = 1, Shuffle = true });
        var orders = Enumerable.Range(0, 3).Select(epoch => Run(loader, epoch).SelectMany(batch => batch.Indices).ToArray()).ToArray();
        foreach (var order in orders)
            Assert.Equal(Enumerable.Range(0, 100), order.Order());
        Assert.NotEqual(orders[0], orders[1]);
        Assert.NotEqual(orders[1], orders[2]);
    }

    [Fact]
    public void Images_labels_and_indices_belong_together()
    {
        foreach (
            var (inputs, labels, indices) in Run(
                new Loader(
                    MadeUp.Numbered(50, side: 2),
                    Pipeline.Plain,
                    new(8)
                    {
                        Seed = 3,
                        Shuffle = true,
                        Workers = 3,
                    }
                ),
                0
            )
        )
            for (var i = 0; i < indices.Length; i++)
            {
                Assert.Equal(indices[i] % 2, labels[i]);
                for (var p = 0; p < 4; p++)
                    Assert.Equal(indices[i], inputs[i * 4 + p], 1e-3);
            }
    }

    [Theory]
    [InlineData(10, 4, false, 3)]
    [InlineData(10, 4, true, 2)]
    [InlineData(8, 4, false, 2)]
    [InlineData(0, 4, false, 0)]
    public void The_last_batch_is_smaller_or_left_out(int samples, int batch, bool dropLast, int steps)
    {
        var loader = new Loader(MadeUp.Numbered(samples), Pipeline.Plain, new(batch) { DropLast = dropLast });
        Assert.Equal(steps, loader.StepsPerEpoch);
        Assert.Equal(steps, Run(loader, 0).Count);
    }

    [Fact]
    public void Live_tensors_return_to_where_they_were_in_scopes_and_by_disposal()
    {
        var loader = new Loader(MadeUp.Numbered(64), Pipeline.Plain, new(8) { Workers = 2 });
        var before = LiveTensors.Settled();
        using (new Scope())
            foreach (var batch in loader.Epoch(0))
                Assert.Equal(8, batch.Count);
        foreach (var batch in loader.Epoch(1))
            batch.Dispose();
        using (var batches = loader.Epoch(2).GetEnumerator())
        {
            batches.MoveNext();
            batches.Current.Dispose();
        }
        Assert.Equal(before, Tensor.LiveCount);
    }

    [Fact]
    public void Leaving_early_stops_the_workers()
    {
        var set = new Counting(1000);
        var loader = new Loader(set, Pipeline.Plain, new(1) { Workers = 3, Prefetch = 4 });
        foreach (var batch in loader.Epoch(0))
        {
            batch.Dispose();
            break;
        }
        Assert.InRange(set.Reads, 1, 10);
        Assert.All(set.Readers, thread => Assert.False(thread.IsAlive));
    }

    [Fact]
    public void Workers_stay_within_the_prefetch_bound()
    {
        var set = new Counting(1000);
        using var batches = new Loader(set, Pipeline.Plain, new(1) { Workers = 2, Prefetch = 5 }).Epoch(0).GetEnumerator();
        for (var taken = 1; taken <= 3; taken++)
        {
            // With a batch taken, there is room for another.
            set.Limit = taken + 5;
            Assert.True(batches.MoveNext());
            batches.Current.Dispose();
            SpinWait.SpinUntil(() => set.Reads >= set.Limit);
        }
        batches.Dispose();
        Assert.Equal(8, set.Reads);
        Assert.False(set.IsLimitExceeded);
    }

    [Fact]
    public void An_error_in_a_worker_reaches_the_consumer_at_its_batch()
    {
        var loader = new Loader(new Counting(40, failing: 17), Pipeline.Plain, new(5) { Workers = 3 });
        var seen = 0;
        var error = Assert.Throws<DataException>(() =>
        {
            foreach (var batch in loader.Epoch(0))
            {
                batch.Dispose();
                seen++;
            }
        });
        Assert.Equal("sample 17 fails", error.Message);
        Assert.Equal(3, seen);
    }

    [Theory]
    [InlineData(1, 7)]
    [InlineData(2, 7)]
    [InlineData(3, 8)]
    [InlineData(4, 6)]
    public void Processes_share_every_batch_and_mix_it_as_one_process_does(int processes, int batch)
    {
        var pipeline = new Pipeline([new RandomShift(1), new Mixup(Mode: MixMode.Elem), new CutMix(), new LabelSmoothing()]);
        Loader New(Replica? replica) =>
            new(
                MadeUp.Numbered(31),
                pipeline,
                new(batch)
                {
                    Seed = 5,
                    Shuffle = true,
                    Workers = 0,
                    Replica = replica ?? Replica.Single,
                }
            );
        var whole = Read(New(null));
        var parts = Enumerable.Range(0, processes).Select(rank => Read(New(new Replica(rank, processes)))).ToArray();
        foreach (var (number, expected) in whole.Index())
        {
            var seen = new List<int>();
            foreach (var (rank, part) in parts.Index())
            {
                Assert.Equal(expected.Indices.Length, part[number].GlobalCount);
                if (part[number].IsPlaceholder)
                    continue;
                var share = BatchShare.Of(expected.Indices.Length, new(rank, processes));
                seen.AddRange(share);
                Assert.Equal(share.Select(i => expected.Indices[i]), part[number].Indices);
                Assert.Equal(share.SelectMany(i => expected.Row(expected.Inputs, i)), part[number].Inputs);
                Assert.Equal(share.SelectMany(i => expected.Row(expected.Targets, i)), part[number].Targets);
            }
            Assert.Equal(Enumerable.Range(0, expected.Indices.Length), seen.Order());
        }
    }

    private sealed record Made(int[] Indices, float[] Inputs, float[] Targets, int GlobalCount, bool IsPlaceholder)
    {
        internal float[] Row(float[] values, int i) =>
            values[(i * values.Length / Indices.Length)..((i + 1) * values.Length / Indices.Length)];
    }

    private static Made[] Read(Loader loader)
    {
        using var scope = new Scope();
        return
        [
            .. loader
                .Epoch(2)
                .Select(batch => new Made(
                    [.. batch.Indices],
                    batch.Inputs.ToArray<float>(),
                    ClassTargets.Of(batch).Soft!.ToArray<float>(),
                    batch.GlobalCount,
                    batch.IsPlaceholder
                )),
        ];
    }

    [Fact]
    public void Wrong_arguments_are_named()
    {
        var set = MadeUp.Numbered(3);
        Assert.Contains(
            "batch size 0",
            Assert.Throws<DataException>(() => new Loader(set, Pipeline.Plain, new(0))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "3 batches",
            Assert.Throws<DataException>(() => new Loader(set, Pipeline.Plain, new(1)).Epoch(0, 4)).Message,
            StringComparison.Ordinal
        );
    }

    /// <summary>Counts what is read and may fail at one sample.</summary>
    private sealed class Counting(int count, int failing = -1) : ImageDataset("counting", "train", ["one"], new int[count])
    {
        private readonly ConcurrentDictionary<Thread, bool> readers = new();
        private int reads;
        private volatile int limit = int.MaxValue;
        private volatile bool isLimitExceeded;

        public int Reads => Volatile.Read(ref reads);

        /// <summary>Threads that have read.</summary>
        public IEnumerable<Thread> Readers => readers.Keys;

        /// <summary>Most reads that are allowed by now.</summary>
        public int Limit
        {
            get => limit;
            set => limit = value;
        }

        public bool IsLimitExceeded => isLimitExceeded;

        public override int Channels => 1;

        public override int? Height => 1;

        public override int? Width => 1;

        public override Normalization Normalization { get; } = new([0f], [1f]);

        public override void Read(int index, Raster target)
        {
            readers[Thread.CurrentThread] = true;
            if (Interlocked.Increment(ref reads) > limit)
                isLimitExceeded = true;
            if (index == failing)
                throw new DataException($"sample {index} fails");
            target.Resize(1, 1, 1);
            target.Values[0] = (byte)index;
        }
    }
}
