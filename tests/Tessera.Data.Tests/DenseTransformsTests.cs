using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Transforms for a class per pixel: scales, crops that look at the map, padding, shifts, label maps of another size.</summary>
public sealed class DenseTransformsTests
{
    private static readonly Normalization raw = new([0f], [1 / 255f]);

    // A mean of 100 in bytes, which is 0 once it is normalised.
    private static readonly Normalization hundred = new([100 / 255f], [1 / 255f]);

    private static MemoryImages Set(
        int height,
        int width,
        Func<int, int, byte> label,
        int classes = 250,
        Normalization? normalization = null,
        int count = 1,
        Action? read = null
    )
    {
        byte[] ids = [.. Enumerable.Range(0, height * width).Select(i => label(i / width, i % width))];
        var maps = new LabelMaps([.. Enumerable.Range(0, classes).Select(id => $"{id}")], count, _ =>
        {
            read?.Invoke();
            return new(ids, new(height, width));
        });
        return new("set", "train", maps, [.. Enumerable.Repeat(ids, count).SelectMany(own => own)], 1, height, width, normalization ?? raw);
    }

    private static Batch One(ImageDataset set, ulong seed, params Transform[] steps) =>
        new Loader(set, new(steps), new(set.Count) { Workers = 0, Seed = seed }).Epoch(0).Single();

    private static long[] Ids(Batch batch) => MaskTargets.Of(batch).Ids.ToArray<long>();

    private static int[] Inputs(Batch batch) => [.. batch.Inputs.ToArray<float>().Select(value => (int)MathF.Round(value))];

    private static ImageSize SizeAfter(ImageTransform step, int height, int width, ulong seed = 0)
    {
        var (canvas, random) = (MadeUp.CanvasOf(new(1, height, width)), new SampleRandom(seed, 0, 0));
        step.Apply(canvas, ref random);
        return new(canvas.Image.Height, canvas.Image.Width);
    }

    [Theory]
    [InlineData(512, 683, 512, 683)]
    [InlineData(300, 1600, 384, 2048)]
    [InlineData(1200, 500, 1229, 512)]
    [InlineData(1, 5000, 1, 2048)]
    public void An_image_is_made_to_fit_as_mmsegmentation_rounds(int height, int width, int newHeight, int newWidth)
    {
        Assert.Equal(new(newHeight, newWidth), SizeAfter(new ResizeWithin(512, 2048), height, width));
        Assert.Equal(new(newHeight, newWidth), SizeAfter(new RandomScale(1, 1, 512, 2048), height, width));
        var rounded = SizeAfter(new ResizeToMultiple(), newHeight, newWidth);
        Assert.Equal(new((newHeight + 31) / 32 * 32, (newWidth + 31) / 32 * 32), rounded);
    }

    [Fact]
    public void One_limit_alone_decides_and_no_limit_is_the_image_itself()
    {
        Assert.Equal(new(20, 40), SizeAfter(new ResizeWithin(20), 100, 200));
        Assert.Equal(new(25, 50), SizeAfter(new RandomScale(0.5, 0.5, Longer: 100), 100, 200));
        Assert.Equal(new(50, 100), SizeAfter(new RandomScale(0.5, 0.5), 100, 200));
        Assert.Equal(new(100, 200), SizeAfter(new RandomScale(1, 1), 100, 200));
    }

    [Fact]
    public void Ratios_are_uniform()
    {
        var sides = Enumerable.Range(0, 4000).Select(i => SizeAfter(new RandomScale(0.5, 2, 20), 40, 60, (ulong)i).Height).ToArray();
        Assert.Equal((10, 40), (sides.Min(), sides.Max() + 1));
        Assert.InRange(sides.Average(), 24.0, 25.0);
        Assert.InRange(sides.Count(side => side < 25), 1850, 2150);
    }

    [Fact]
    public void A_file_is_scaled_as_its_pixels_are()
    {
        using var folder = new TempFolder();
        var image = MadeUp.NoiseImage(3, 37, 53);
        var path = folder.Write("a.ppm", [.. "P6 53 37 255\n"u8, .. image.ToInterleaved()]);
        foreach (
            var step in (ImageTransform[])
                [new ResizeWithin(20, 30), new RandomScale(0.5, 2, 24), new ResizeToMultiple(16), new ResizeWithin(37)]
        )
        {
            var (canvas, random, again) = (MadeUp.CanvasOf(image), new SampleRandom(5, 0, 0), new SampleRandom(5, 0, 0));
            step.Apply(canvas, ref random);
            var other = new Canvas();
            using (var file = ImageFile.Open(path))
                step.Apply(other, file, 3, false, ref again);
            Assert.Equal(canvas.Image.Values.ToArray(), other.Image.Values.ToArray());
            Assert.Equal(random.NextBits(), again.NextBits());
        }
    }

    [Fact]
    public void Height_and_width_of_a_squash_may_differ() => Assert.Equal(new(6, 9), SizeAfter(new Squash(6, Width: 9), 30, 20));

    [Fact]
    public void A_crop_takes_every_position_and_pads_what_is_smaller()
    {
        using var scope = new Scope();
        var set = Set(3, 5, (y, x) => (byte)(10 * y + x + 1), normalization: hundred);
        var places = new HashSet<long>();
        for (var seed = 0UL; seed < 60; seed++)
        {
            var batch = One(set, seed, new RandomDenseCrop(4, 3));
            Assert.Equal([1, 4, 3], MaskTargets.Of(batch).Ids.Shape.ToArray());
            var ids = Ids(batch);
            Assert.Equal(ids.Select(id => id == LabelMap.Ignored ? 0 : (int)id - 100), Inputs(batch));
            Assert.All(ids[9..], id => Assert.Equal(LabelMap.Ignored, id));
            Assert.DoesNotContain(LabelMap.Ignored, ids[..9]);
            places.Add(ids[0]);
        }
        Assert.Equal([1L, 2, 3], places.Order());
        var smaller = One(set, 0, new RandomDenseCrop(4, 3, Pad: false), new Pad(4, 3, Fill: 7));
        Assert.Equal([7 - 100, 7 - 100, 7 - 100], Inputs(smaller)[9..]);
        Assert.Equal(new(3, 5), SizeAfter(new RandomDenseCrop(9, Pad: false), 3, 5));
    }

    [Theory]
    [InlineData(0.75)]
    [InlineData(0.6)]
    public void A_crop_is_drawn_again_until_no_class_has_most_of_it(double share)
    {
        using var scope = new Scope();
        var reads = 0;
        // Class 1 on the left, class 2 on the right, and a stripe that is ignored and counts nothing.
        var set = Set(
            8,
            40,
            (_, x) =>
                (byte)(
                    x < 10 ? 1
                    : x < 12 ? 255
                    : 2
                ),
            read: () => reads++
        );
        var mixed = 0;
        for (var seed = 0UL; seed < 200; seed++)
        {
            var batch = One(set, seed, new RandomDenseCrop(8, MaxShare: share));
            var counted = Ids(batch).Where(id => id != LabelMap.Ignored).ToArray();
            mixed += counted.CountBy(id => id).All(own => own.Value < share * counted.Length) ? 1 : 0;
            // The image shows what its map says.
            Assert.Equal(Inputs(batch).Select(value => (long)value), Ids(batch));
        }
        // Three of 33 windows are mixed at 0.75, one at 0.6: with eleven draws 65 and 29 of a hundred images come to one.
        Assert.InRange(mixed, share == 0.75 ? 105 : 35, share == 0.75 ? 155 : 80);
        // The map that a crop has looked at is the one that follows the image.
        Assert.Equal(200, reads);
    }

    [Fact]
    public void A_crop_of_one_class_alone_is_taken_in_the_end()
    {
        using var scope = new Scope();
        Assert.All(Ids(One(Set(9, 9, (_, _) => 3), 1, new RandomDenseCrop(4, MaxShare: 0.75))), id => Assert.Equal(3, id));
        Assert.All(Ids(One(Set(9, 9, (_, _) => 255), 1, new RandomDenseCrop(4, MaxShare: 0.75))), id => Assert.Equal(255, id));
    }

    [Fact]
    public void The_classes_that_a_crop_counts_are_those_of_its_map()
    {
        using var scope = new Scope();
        var random = new Random(2);
        byte[] noise = [.. Enumerable.Range(0, 20 * 30).Select(_ => (byte)random.Next(5))];
        var map = new LabelMap(noise, new(20, 30));
        for (var seed = 0UL; seed < 20; seed++)
        {
            var (canvas, draws) = (MadeUp.CanvasOf(new(1, 20, 30)), new SampleRandom(seed, 0, 0));
            canvas.Begin(() => map);
            new RandomScale(0.5, 2).Apply(canvas, ref draws);
            new RandomHorizontalFlip().Apply(canvas, ref draws);
            var (h, w) = (canvas.Image.Height, canvas.Image.Width);
            var (top, left) = (draws.Between(-2, h / 2), draws.Between(-2, w / 2));
            var counts = new int[256];
            canvas.CountLabels(top, left, 9, 11, counts);
            Window.Cut(canvas, top, left, 9, 11);
            var ids = new long[99];
            map.Follow(canvas.Sight.Targets(map.Size), new(9, 11), ids);
            var expected = ids.Where(id => id != LabelMap.Ignored).CountBy(id => id).ToDictionary(own => (int)own.Key, own => own.Value);
            Assert.Equal(
                expected.OrderBy(own => own.Key),
                counts.Index().Where(own => own.Item > 0).ToDictionary(own => own.Index, own => own.Item)
            );
        }
    }

    [Fact]
    public void Padding_reaches_a_size_and_a_multiple_and_is_the_mean()
    {
        using var scope = new Scope();
        Assert.Equal(new(5, 9), SizeAfter(new Pad(5, 9), 3, 4));
        Assert.Equal(new(8, 12), SizeAfter(new Pad(Multiple: 4), 5, 9));
        Assert.Equal(new(12, 12), SizeAfter(new Pad(9, Multiple: 4), 5, 5));
        Assert.Equal(new(5, 5), SizeAfter(new Pad(4), 5, 5));
        var batch = One(Set(2, 2, (_, _) => 9, normalization: hundred), 0, new Pad(3));
        Assert.Equal([-91, -91, 0, -91, -91, 0, 0, 0, 0], Inputs(batch));
        Assert.Equal([9L, 9, 255, 9, 9, 255, 255, 255, 255], Ids(batch));
        // Each channel has its own mean, and a single mean serves all channels.
        foreach (var (fill, expected) in new (byte[], byte[])[] { ([1, 2, 3], [1, 2, 3]), ([5], [5, 5, 5]) })
        {
            var canvas = new Canvas { Fill = fill };
            canvas.Image.Resize(3, 1, 1);
            var random = new SampleRandom();
            new Pad(1, 2).Apply(canvas, ref random);
            Assert.Equal(expected, new[] { canvas.Image.Values[1], canvas.Image.Values[3], canvas.Image.Values[5] });
        }
    }

    [Theory]
    [InlineData(8, 8, 4, new long[] { 22, 26, 62, 66 })]
    [InlineData(9, 5, 4, new long[] { 11, 13, 41, 43, 71, 73 })]
    [InlineData(3, 4, 1, new long[] { 0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23 })]
    public void A_smaller_map_has_the_classes_under_the_centres_of_its_pixels(int height, int width, int factor, long[] expected)
    {
        using var scope = new Scope();
        var batch = One(Set(height, width, (y, x) => (byte)(10 * y + x)), 0, new LabelScale(factor));
        Assert.Equal(expected, Ids(batch));
        Assert.Equal([1, 1, height, width], batch.Inputs.Shape.ToArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_reference_shifts_a_quarter_as_large_map_by_as_many_pixels(bool onDevice)
    {
        using var scope = new Scope();
        // Every quarter pixel has a class of its own.
        var set = Set(16, 24, (y, x) => (byte)(y / 4 * 6 + x / 4), count: 12);
        Transform[] steps = [new RandomShift(2, LabelFactor: 4), new RandomHorizontalFlip(), new LabelScale(4)];
        var batch = new Loader(set, new(steps), new(12) { Workers = 0, Device = onDevice ? Device.Cpu : null }).Epoch(0).Single();
        var ids = Ids(batch);
        var shifts = new HashSet<(int, int)>();
        for (var i = 0; i < 12; i++)
        {
            var view = batch.Views[0].Images![i];
            var (down, right) = (
                (int)Math.Round(view.Top * 16),
                (int)Math.Round((view.Width > 0 ? view.Left : view.Left + view.Width) * 24)
            );
            Assert.InRange(down, -2, 2);
            shifts.Add((down, right));
            for (var y = 0; y < 4; y++)
            for (var x = 0; x < 6; x++)
            {
                var (row, column) = (y + down, (view.Width > 0 ? x : 5 - x) + right);
                var expected = row is >= 0 and < 4 && column is >= 0 and < 6 ? row * 6 + column : LabelMap.Ignored;
                Assert.Equal(expected, ids[(i * 4 + y) * 6 + x]);
            }
        }
        Assert.True(shifts.Count > 6);
        // Otherwise the map moves with the image: by as many of the image's pixels.
        var scaled = new Loader(set, new([new RandomShift(2), new LabelScale(4)]), new(12) { Workers = 0 }).Epoch(0).Single();
        for (var i = 0; i < 12; i++)
        {
            var view = scaled.Views[0].Images![i];
            var (top, left) = ((int)Math.Round(view.Top * 16) + 2, (int)Math.Round(view.Left * 24) + 2);
            for (var y = 0; y < 4; y++)
            for (var x = 0; x < 6; x++)
            {
                var (row, column) = (4 * y + top, 4 * x + left);
                var expected = row < 16 && column < 24 ? row / 4 * 6 + column / 4 : LabelMap.Ignored;
                Assert.Equal(expected, Ids(scaled)[(i * 4 + y) * 6 + x]);
            }
        }
    }

    [Fact]
    public void A_mirrored_image_exchanges_left_and_right_classes()
    {
        using var scope = new Scope();
        var ids = new byte[] { 0, 1, 2, 3, 255, 4 };
        var maps = new LabelMaps(["bg", "left", "right", "hat", "l", "r"], 1, _ => new(ids, new(2, 3))) { FlipPairs = [(1, 2), (4, 5)] };
        long[] Of(LabelMaps maps, params Transform[] steps) =>
            Ids(One(new MemoryImages("set", "train", maps, new byte[6], 1, 2, 3, raw), 0, steps));
        Assert.Equal([1L, 2, 0, 5, 255, 3], Of(maps, new RandomHorizontalFlip(1)));
        // Upside down is mirrored, too; turned by half a circle is not.
        Assert.Equal([3L, 255, 5, 0, 2, 1], Of(maps, new RandomVerticalFlip(1)));
        Assert.Equal([4L, 255, 3, 2, 1, 0], Of(maps, new RandomVerticalFlip(1), new RandomHorizontalFlip(1)));
        Assert.Equal([0L, 1, 2, 3, 255, 4], Of(maps));
        Assert.Equal([1L, 2, 0, 5, 255, 3], Of(maps.Part([0]), new RandomHorizontalFlip(1)));
        var renumbered = maps.Renumbered(new(maps.ClassNames, ["hat", "right", "left", "bg", "r", "l"]));
        Assert.Equal([(2, 1), (5, 4)], renumbered.FlipPairs);
        Assert.Equal([2L, 1, 3, 4, 255, 0], Of(renumbered, new RandomHorizontalFlip(1)));
    }

    private static FileImages Files(TempFolder folder, Annotations annotations, params (int Height, int Width)[] sizes) =>
        new(
            "files",
            "test",
            [
                .. sizes.Select(
                    (size, i) =>
                        folder.Write(
                            $"{i}.ppm",
                            [
                                .. System.Text.Encoding.ASCII.GetBytes($"P6 {size.Width} {size.Height} 255\n"),
                                .. Enumerable.Repeat((byte)(i + 1), 3 * size.Height * size.Width),
                            ]
                        )
                ),
            ],
            annotations,
            raw
        );

    [Fact]
    public void Images_of_different_sizes_are_padded_and_their_sizes_are_known()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        (int Height, int Width)[] sizes = [(2, 5), (4, 3), (1, 1)];
        var maps = new LabelMaps(["a", "b", "c"], 3, i =>
            new([.. Enumerable.Repeat((byte)i, sizes[i].Height * sizes[i].Width)], new(sizes[i].Height, sizes[i].Width))
        );
        var set = Files(folder, maps, sizes);
        foreach (var (multiple, height, width) in new[] { (1, 4, 5), (4, 4, 8) })
        {
            var batch = new Loader(set, new([new PadBatch(multiple)]), new(3) { Workers = 0 }).Epoch(0).Single();
            Assert.Equal([3, 3, height, width], batch.Inputs.Shape.ToArray());
            Assert.Equal([new(2, 5), new(4, 3), new(1, 1)], batch.Views[0].Sizes!);
            var (inputs, ids) = (Inputs(batch), Ids(batch));
            for (var i = 0; i < 3; i++)
            for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
            {
                var isInside = y < sizes[i].Height && x < sizes[i].Width;
                Assert.Equal(isInside ? i : LabelMap.Ignored, ids[(i * height + y) * width + x]);
                for (var c = 0; c < 3; c++)
                    Assert.Equal(isInside ? i + 1 : 0, inputs[((i * 3 + c) * height + y) * width + x]);
            }
            Assert.Equal(new(0, 0, height / 2.0, width / 5.0), batch.Views[0].Images![0]);
            Assert.Equal([new(4, 3), new(1, 1)], batch.Slice(1, 2).Views[0].Sizes!);
        }
        // Of one image there is nothing to pad, and its batch is that without the step.
        var (single, plain) = (
            new Loader(set, new([new PadBatch()]), new(1) { Workers = 0 }),
            new Loader(set, Pipeline.Plain, new(1) { Workers = 0 })
        );
        foreach (var (one, other) in single.Epoch(0).Zip(plain.Epoch(0)))
        {
            Assert.Equal(one.Inputs.ToArray<float>(), other.Inputs.ToArray<float>());
            Assert.Equal(Ids(one), Ids(other));
            Assert.Null(other.Views[0].Sizes);
        }
    }

    [Fact]
    public void Boxes_follow_into_a_padded_batch_and_workers_make_the_same()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        var boxes = new ObjectBoxes(
            ["a"],
            [
                [new(new(1, 0, 4, 2), 0)],
                [new(new(0, 1, 3, 4), 0)],
                [],
            ]
        );
        var set = Files(folder, boxes, (2, 5), (4, 3), (1, 1));
        foreach (var workers in (int[])[0, 3])
        {
            var loader = new Loader(set, new([new RandomHorizontalFlip(1), new PadBatch(4)]), new(2) { Workers = workers });
            Batch[] batches = [.. loader.Epoch(0)];
            Assert.Equal([1, 0, 4, 2, 0, 1, 3, 4], BoxTargets.Of(batches[0]).Boxes.ToArray<float>());
            Assert.Equal([1, 3, 4, 4], batches[1].Inputs.Shape.ToArray());
        }
    }

    [Fact]
    public void What_a_data_set_or_a_batch_cannot_have_is_refused_with_the_reason()
    {
        using var folder = new TempFolder();
        var unequal = Files(folder, new LabelMaps(["a"], 2, i => new(new byte[i + 1], new(1, i + 1))), (1, 1), (1, 2));
        Assert.Contains("add a crop or resize that makes them equal", Error(() => One(unequal, 0)));
        var classes = MadeUp.Noise(2);
        Refused(
            "random_dense_crop needs label maps to see how the classes of a window are mixed (max_share), and the samples have none",
            new RandomDenseCrop(4, MaxShare: 0.75)
        );
        Refused(
            "random_shift needs label maps to shift them otherwise than images (label_factor), and the samples have none",
            new RandomShift(2, LabelFactor: 4)
        );
        Refused("label_scale needs label maps to make smaller, and the samples have none", new LabelScale());
        Refused(
            "pad_batch pads images of different sizes, and only label maps and boxes say where the padding is: bring images to one size by a "
                + "resize or a crop",
            new PadBatch()
        );
        Assert.NotNull(new Loader(classes, new([new RandomDenseCrop(4), new RandomShift(2)]), new(1)));
        // Images that are only predicted are prepared as those that were measured.
        var unlabelled = classes.Relabelled(new Unlabelled(2));
        Assert.NotNull(new Loader(unlabelled, new([new LabelScale(), new PadBatch(32)]), new(1)));
        Assert.Equal(
            "set: pad_batch works on the processor only",
            Error(() => new Loader(Set(2, 2, (_, _) => 0), new([new PadBatch()]), new(1) { Device = Device.Cpu })).Split(';')[0]
        );
        Assert.Equal(
            "augment: mixup mixes images of one size, and pad_batch is for images of different sizes: leave one of them out",
            Error(() => new Pipeline([new PadBatch(), new Mixup()]))
        );
        Assert.Equal("augment: label_scale is there twice", Error(() => new Pipeline([new LabelScale(), new LabelScale(2)])));
        Assert.Equal(
            "augment: label_scale must be in the first view, which targets follow",
            Error(() =>
                Pipeline.OfViews([
                    [],
                    [new LabelScale()],
                ])
            )
        );

        void Refused(string message, Transform step) =>
            Assert.Equal($"noise: {message}", Error(() => new Loader(classes, new([step]), new(1))));
    }

    [Fact]
    public void Fields_that_make_no_sense_are_refused()
    {
        Assert.Equal("resize_within: shorter of 0: it must be at least 1", Error(() => new ResizeWithin(0)));
        Assert.Equal("random_scale: longer of -1: it must be at least 1", Error(() => new RandomScale(Longer: -1)));
        Assert.Equal(
            "random_scale: ratios from 2 to 0.5: min_ratio must be above 0 and at most max_ratio",
            Error(() => new RandomScale(2, 0.5))
        );
        Assert.Equal("resize_to_multiple: multiple of 0: it must be at least 1", Error(() => new ResizeToMultiple(0)));
        Assert.Equal(
            "random_dense_crop: max_share of 0: it must be above 0 and at most 1",
            Error(() => new RandomDenseCrop(4, MaxShare: 0))
        );
        Assert.Equal("pad: a fill of 256: it must be from 0 to 255, or left out for the mean of the data", Error(() => new Pad(Fill: 256)));
        Assert.Equal(
            "photometric_distortion: contrast from 2 to 1.5: it must be from 0 on, the smaller factor first",
            Error(() => new PhotometricDistortion(MinContrast: 2))
        );
        Assert.Equal("photometric_distortion: hue of 91: it must be from 0 to 90", Error(() => new PhotometricDistortion(Hue: 91)));
    }

    private static string Error(Func<object> act) => Assert.Throws<DataException>(act).Message;

    [Fact]
    public void Sizes_of_batches_that_were_seen_once_leave_no_memory_behind()
    {
        var memory = new BatchMemory();
        var kept = memory.Rent(1000);
        memory.Return(kept);
        Assert.Same(kept, memory.Rent(1000));
        memory.Return(kept);
        // A little less fits as well, much less or more does not.
        Assert.Same(kept, memory.Rent(600));
        memory.Return(kept);
        var references = Sizes(memory);
        GC.Collect();
        Assert.InRange(references.Count(reference => reference.IsAlive), 0, 1);
        GC.KeepAlive(memory);

        static WeakReference[] Sizes(BatchMemory memory)
        {
            var made = new List<WeakReference>();
            for (var length = 4000; length < 4_000_000; length *= 3)
            {
                var rented = memory.Rent(length);
                made.Add(new(rented));
                memory.Return(rented);
            }
            return [.. made];
        }
    }
}
