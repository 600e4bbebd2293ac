using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Transforms that detectors are trained with: several scales, crops of random size, large-scale jitter, choices.</summary>
public sealed class DetectionTransformsTests
{
    private static readonly Normalization raw = new([0f], [1 / 255f]);

    // The short sides of the 3x schedules, and a choice between them and a crop.
    private static readonly RandomResize scales = new([480, 800], 1333, 32);
    private static readonly RandomChoice multiScale = new([
        [scales],
        [new RandomResize([400, 500, 600], 1333), new RandomSizeCrop(384, 600), scales],
    ]);

    private static ImageSize SizeAfter(ImageTransform step, int height, int width, ulong seed)
    {
        var (canvas, random) = (MadeUp.CanvasOf(new(1, height, width)), new SampleRandom(seed, 0, 0));
        step.Apply(canvas, ref random);
        return new(canvas.Image.Height, canvas.Image.Width);
    }

    [Fact]
    public void A_short_side_of_a_list_or_a_range_is_drawn_each_as_often()
    {
        Draws(new([40, 50, 60]), [40, 50, 60]);
        Draws(new([40, 80], Step: 8), [40, 48, 56, 64, 72, 80]);
        Draws(new([7, 7], Step: 5), [7]);
        Draws(new([33]), [33]);
        // The longer side has a limit of its own: 100 for 50 at the most.
        Draws(new([40, 60], 100), [40, 50]);

        static void Draws(RandomResize step, int[] expected)
        {
            const int Count = 1200;
            var sizes = Enumerable.Range(0, Count).Select(seed => SizeAfter(step, 20, 40, (ulong)seed)).CountBy(size => size).ToArray();
            Assert.Equal(expected, sizes.Select(size => size.Key.Height).Order());
            Assert.All(sizes, size => Assert.Equal(2 * size.Key.Height, size.Key.Width));
            Assert.All(sizes, size => Assert.InRange(size.Value * expected.Length, 0.75 * Count, 1.25 * Count));
        }
    }

    [Fact]
    public void A_crop_draws_height_and_width_apart_with_both_ends_and_every_position()
    {
        var places = new HashSet<(int Top, int Left)>();
        var sizes = new HashSet<(int Height, int Width)>();
        for (var seed = 0UL; seed < 3000; seed++)
        {
            var (canvas, random) = (new Canvas(), new SampleRandom(seed, 0, 0));
            canvas.Image.Resize(1, 9, 5);
            foreach (ref var value in canvas.Image.Values)
                value = 1;
            new RandomSizeCrop(3, 6).Apply(canvas, ref random);
            var view = canvas.View;
            var (height, width) = (canvas.Image.Height, canvas.Image.Width);
            Assert.Equal((height / 9.0, width / 5.0), (view.Height, view.Width));
            Assert.DoesNotContain((byte)0, canvas.Image.Values.ToArray());
            sizes.Add((height, width));
            if (height == 3)
                places.Add(((int)Math.Round(view.Top * 9), width == 3 ? (int)Math.Round(view.Left * 5) : 0));
        }
        // The width is 5 at the most, as the image's.
        Assert.Equal(from height in (int[])[3, 4, 5, 6] from width in (int[])[3, 4, 5] select (height, width), sizes.Order());
        Assert.Equal(from top in Enumerable.Range(0, 7) from left in Enumerable.Range(0, 3) select (top, left), places.Order());
        // A smaller image stays as it is.
        Assert.Equal(new(2, 2), SizeAfter(new RandomSizeCrop(3, 6), 2, 2, 1));
    }

    private static MemoryImages Boxes(int height, int width, params ImageObject[] objects) =>
        new("set", "train", new ObjectBoxes(["a", "b"], [objects]), new byte[height * width], 1, height, width, raw);

    private static BoxTargets One(ImageDataset set, ulong seed, params Transform[] steps) =>
        BoxTargets.Of(new Loader(set, new(steps), new(set.Count) { Workers = 0, Seed = seed }).Epoch(0).Single());

    [Theory]
    [InlineData(31, 17, 33, 19)]
    [InlineData(0, 0, 2, 2)]
    [InlineData(38.5, 38.5, 40, 40)]
    [InlineData(0, 20, 40, 21)]
    [InlineData(5.25, 5.25, 5.75, 5.75)]
    public void A_crop_that_must_not_be_empty_always_has_an_object(double left, double top, double right, double bottom)
    {
        using var scope = new Scope();
        var one = new ImageObject(new(left, top, right, bottom), 0, 1);
        var set = new MemoryImages(
            "set",
            "train",
            new ObjectBoxes(
                ["a"],
                [
                    [one],
                ],
                minSize: 0
            ),
            new byte[1600],
            1,
            40,
            40,
            raw
        );
        var positions = new HashSet<(double, double)>();
        var empty = 0;
        for (var seed = 0UL; seed < 200; seed++)
        {
            var targets = One(set, seed, new RandomSizeCrop(4, 7, AllowEmpty: false));
            var box = targets.Boxes.ToArray<float>();
            Assert.InRange(box[2] - box[0], Math.Min(1, right - left) - 1e-4, 7);
            Assert.InRange(box[3] - box[1], Math.Min(1, bottom - top) - 1e-4, 7);
            positions.Add((targets.Images[0].View.Top, targets.Images[0].View.Left));
            empty += One(set, seed, new RandomSizeCrop(4, 7)).Boxes.Size(0) == 0 ? 1 : 0;
        }
        Assert.True(positions.Count > 1);
        Assert.InRange(empty, 1, 200);
    }

    [Fact]
    public void Crowds_and_ignored_objects_do_not_count_and_an_image_without_others_is_cut_anywhere()
    {
        using var scope = new Scope();
        ImageObject[] others = [new(new(0, 0, 40, 4), 0, 1, IsCrowd: true), new(new(0, 4, 40, 10), 0, 2, IsIgnored: true)];
        var (with, without) = (Boxes(40, 40, [.. others, new(new(10, 30, 12, 32), 1, 3)]), Boxes(40, 40, others));
        var tops = new HashSet<double>();
        for (var seed = 0UL; seed < 100; seed++)
        {
            Assert.Contains(3, One(with, seed, new RandomSizeCrop(5, 8, AllowEmpty: false)).Ids.ToArray<long>());
            tops.Add(One(without, seed, new RandomSizeCrop(5, 8, AllowEmpty: false)).Images[0].View.Top);
        }
        Assert.True(tops.Count > 20);
        // What an earlier step has cut off does not count either, and boxes are looked at where they are then.
        for (var seed = 0UL; seed < 50; seed++)
        {
            var targets = One(with, seed, new CenterCrop(28), new RandomHorizontalFlip(), new Squash(56), new RandomSizeCrop(9, 9, false));
            Assert.Equal([3], targets.Ids.ToArray<long>().Except([2]));
        }
    }

    [Theory]
    [InlineData(30, 60, 20, 20)]
    [InlineData(60, 30, 20, 30)]
    [InlineData(7, 9, 20, 20)]
    public void Jitter_has_a_fixed_size_and_ratios_of_its_range(int height, int width, int size, int columns)
    {
        using var scope = new Scope();
        var set = Boxes(height, width, new ImageObject(new(0, 0, width, height), 0));
        var (scales, isCut, isPadded) = (new List<double>(), 0, 0);
        // Of the longer or the shorter side, whichever is at its limit.
        var fit = Math.Min(
            Math.Max(size, columns) / (double)Math.Max(height, width),
            Math.Min(size, columns) / (double)Math.Min(height, width)
        );
        for (var seed = 0UL; seed < 300; seed++)
        {
            var targets = One(set, seed, new LargeScaleJitter(size, columns, 0.5, 2));
            var view = targets.Images[0].View;
            var (h, w) = (size / view.Height, columns / view.Width);
            Assert.InRange(Math.Abs(h / height - w / width) * Math.Min(height, width), 0, 1.1);
            scales.Add(Math.Max(h / height, w / width) / fit);
            var box = targets.Boxes.ToArray<float>();
            Assert.Equal([0f, 0, (float)Math.Min(columns, Math.Round(w)), (float)Math.Min(size, Math.Round(h))], box);
            isCut += h > size + 0.5 || w > columns + 0.5 ? 1 : 0;
            isPadded += h < size - 0.5 || w < columns - 0.5 ? 1 : 0;
            // What is padded lies at the upper left.
            if (h < size)
                Assert.Equal(0, view.Top, 9);
        }
        Assert.True(isCut > 20 && isPadded > 20);
        Assert.InRange(scales.Min(), 0.3, 0.65);
        Assert.InRange(scales.Max(), 1.8, 2.2);
        Assert.InRange(scales.Average(), 1.1, 1.4);
    }

    [Fact]
    public void Lists_are_drawn_by_their_weights()
    {
        Transform[][] lists =
        [
            [new CenterCrop(1)],
            [],
            [new CenterCrop(5), new CenterCrop(3)],
        ];
        Shares(new RandomChoice(lists), 1 / 3.0, 1 / 3.0, 1 / 3.0);
        Shares(new RandomChoice(lists, [3, 1, 0]), 0.75, 0.25, 0);
        Shares(new RandomChoice(lists, [0, 0, 2]), 0, 0, 1);

        static void Shares(RandomChoice choice, params double[] expected)
        {
            var sides = Enumerable.Range(0, 2000).Select(seed => SizeAfter(choice, 7, 7, (ulong)seed).Height).ToArray();
            foreach (var (side, share) in ((int[])[1, 7, 3]).Zip(expected))
                Assert.InRange(sides.Count(own => own == side) / 2000.0, share == 0 ? 0 : share - 0.04, share == 0 ? 0 : share + 0.04);
        }
    }

    [Fact]
    public void The_two_ways_of_multi_scale_training_give_their_sizes()
    {
        var (whole, cut) = (0, 0);
        for (var seed = 0UL; seed < 60; seed++)
        {
            var canvas = MadeUp.CanvasOf(new(1, 48, 64));
            var random = new SampleRandom(seed, 0, 0);
            multiScale.Apply(canvas, ref random);
            var shorter = Math.Min(canvas.Image.Height, canvas.Image.Width);
            // Both end at a short side of the list, unless the longer side is at its limit.
            Assert.True((shorter % 32 == 0 && shorter is >= 480 and <= 800) || Math.Max(canvas.Image.Height, canvas.Image.Width) == 1333);
            if (canvas.View == ImageView.Full)
                whole++;
            else
                cut++;
        }
        Assert.InRange(whole, 18, 42);
        Assert.Equal(60, whole + cut);
    }

    // Each object is a blob of a value of its own, and its mask has the same pixels; nearest pixels keep them equal.
    [Theory]
    [InlineData("choice")]
    [InlineData("jitter")]
    [InlineData("crops")]
    public void Masks_and_boxes_follow_into_a_padded_batch(string which)
    {
        using var scope = new Scope();
        const int Count = 6,
            Height = 23,
            Width = 31;
        Transform[] steps = which switch
        {
            "choice" =>
            [
                new RandomChoice([
                    [new RandomResize([15, 40], 50, 5, Interpolation.Nearest)],
                    [new RandomSizeCrop(9, 20, AllowEmpty: false), new RandomHorizontalFlip()],
                ]),
            ],
            "jitter" => [new RandomVerticalFlip(), new LargeScaleJitter(24, 20, 0.3, 2, 0, Interpolation.Nearest)],
            _ => [new RandomSizeCrop(6, 25), new RandomShift(4), new Pad(12, 14, Fill: 0), new RandomHorizontalFlip()],
        };
        for (var seed = 0UL; seed < 25; seed++)
        {
            var random = new Random((int)seed);
            var pixels = new byte[Count * Height * Width];
            var objects = new ImageObject[Count][];
            for (var i = 0; i < Count; i++)
            {
                objects[i] = new ImageObject[2];
                for (var k = 0; k < 2; k++)
                {
                    // The second lies to the right of the first.
                    var (left, right) = (k * 15 + random.Next(7), k * 15 + random.Next(8, 16));
                    var (top, bottom) = (random.Next(11), random.Next(12, Height + 1));
                    var bitmap = new byte[Height * Width];
                    for (var y = top; y < bottom; y++)
                    for (var x = left; x < right; x++)
                        if ((x - left) * (bottom - top) <= (y - top + 1) * (right - left))
                        {
                            bitmap[y * Width + x] = 1;
                            pixels[(i * Height + y) * Width + x] = (byte)(100 + k);
                        }
                    objects[i][k] = new(
                        new(left, top, right, bottom),
                        k,
                        100 + k,
                        Mask: InstanceMask.FromBitmap(new(Height, Width), bitmap)
                    );
                }
            }
            var set = new MemoryImages("set", "train", new ObjectBoxes(["a", "b"], objects), pixels, 1, Height, Width, raw);
            var batch = new Loader(set, new([.. steps, new PadBatch(8)]), new(Count) { Workers = 0, Seed = seed }).Epoch(0).Single();
            var targets = BoxTargets.Of(batch);
            var (h, w) = ((int)batch.Inputs.Size(2), (int)batch.Inputs.Size(3));
            Assert.Equal((0, 0), (h % 8, w % 8));
            var (inputs, masks, boxes, ids) = (
                batch.Inputs.ToArray<float>(),
                targets.Bitmaps()!.ToArray<byte>(),
                targets.Boxes.ToArray<float>(),
                targets.Ids.ToArray<long>()
            );
            for (var i = 0; i < Count; i++)
            for (var row = targets.Offsets[i]; row < targets.Offsets[i + 1]; row++)
            for (var y = 0; y < h; y++)
            for (var x = 0; x < w; x++)
            {
                var isObject = (long)Math.Round(inputs[(i * h + y) * w + x]) == ids[row];
                var view = targets.Images[i].View;
                // On a border of two pixels of the original either is the nearest.
                if (IsClear(view.Top + (y + 0.5) / h * view.Height, Height) && IsClear(view.Left + (x + 0.5) / w * view.Width, Width))
                    Assert.Equal(isObject, masks[(row * h + y) * w + x] == 1);
                if (isObject)
                    Assert.True(
                        x + 1 > boxes[4 * row] && x < boxes[4 * row + 2] && y + 1 > boxes[4 * row + 1] && y < boxes[4 * row + 3],
                        $"{x}, {y} is outside of the box of object {row}"
                    );
            }
        }

        static bool IsClear(double place, int length) => Math.Abs(place * length - Math.Round(place * length)) > 1e-4;
    }

    [Fact]
    public void Files_are_read_as_their_pixels_are()
    {
        using var folder = new TempFolder();
        var image = MadeUp.NoiseImage(3, 37, 53);
        var path = folder.Write("a.ppm", [.. "P6 53 37 255\n"u8, .. image.ToInterleaved()]);
        ImageTransform[] steps =
        [
            new RandomResize([20, 30, 40], 60),
            new RandomSizeCrop(10, 30),
            new LargeScaleJitter(24, 40),
            new RandomChoice([
                [new RandomResize([20, 40], Step: 4), new RandomSizeCrop(9, 12)],
                [],
                [new RandomHorizontalFlip(1), new PhotometricDistortion()],
            ]),
        ];
        foreach (var step in steps)
            for (var seed = 0UL; seed < 12; seed++)
            {
                var (canvas, random, again) = (MadeUp.CanvasOf(image), new SampleRandom(seed, 0, 0), new SampleRandom(seed, 0, 0));
                step.Apply(canvas, ref random);
                var other = new Canvas();
                using (var file = ImageFile.Open(path))
                    step.Apply(other, file, 3, false, ref again);
                Assert.Equal(canvas.Image.Values.ToArray(), other.Image.Values.ToArray());
                Assert.Equal(canvas.View, other.View);
                Assert.Equal(random.NextBits(), again.NextBits());
            }
    }

    [Fact]
    public void Steps_in_a_choice_need_what_they_need_elsewhere()
    {
        var set = Boxes(8, 8, new ImageObject(new(0, 0, 8, 8), 0));
        Refused(
            set,
            "set: label maps and boxes cannot follow an image through random_choice: rand_augment: it rotates and shears images",
            new RandomChoice([
                [],
                [new RandAugment()],
            ])
        );
        Refused(
            MadeUp.Noise(2),
            "noise: random_choice has random_size_crop, which needs boxes to keep an object in every window (allow_empty: false), and the "
                + "samples have none",
            new RandomChoice([
                [new RandomSizeCrop(4, 8, AllowEmpty: false)],
            ])
        );
        Refused(
            MadeUp.Noise(2),
            "noise: random_size_crop needs boxes to keep an object in every window (allow_empty: false), and the samples have none",
            new RandomSizeCrop(4, 8, AllowEmpty: false)
        );
        // Where any window will do, no boxes are needed.
        Assert.NotNull(new Loader(MadeUp.Noise(2), new([new RandomSizeCrop(4, 8)]), new(1)));

        static void Refused(ImageDataset set, string message, Transform step) =>
            Assert.Equal(message, Assert.Throws<DataException>(() => new Loader(set, new([step]), new(1))).Message);
    }

    [Fact]
    public void Fields_that_make_no_sense_are_refused()
    {
        Error("random_resize: shorter of 0: it must be at least 1", () => new RandomResize([5, 0]));
        Error("random_resize: shorter is an empty list: it must have at least one size", () => new RandomResize([]));
        Error("random_resize: step of 0: it must be at least 1", () => new RandomResize([4, 8], Step: 0));
        const string Ends = "it must have the first and the last size, a whole number of steps above it";
        Error($"random_resize: shorter of [4, 8] with a step of 3: {Ends}", () => new RandomResize([4, 8], Step: 3));
        Error($"random_resize: shorter of [4] with a step of 3: {Ends}", () => new RandomResize([4], Step: 3));
        Error($"random_resize: shorter of [8, 4] with a step of 4: {Ends}", () => new RandomResize([8, 4], Step: 4));
        Error("random_size_crop: min_size of 0: it must be at least 1", () => new RandomSizeCrop(0));
        Error("random_size_crop: max_size of 3: it must be at least min_size, 4", () => new RandomSizeCrop(4, 3));
        Error("large_scale_jitter: size of 0: it must be at least 1", () => new LargeScaleJitter(0));
        Error("large_scale_jitter: width of -1: it must be at least 1", () => new LargeScaleJitter(4, -1));
        Error("large_scale_jitter: ratios from 0 to 2: min_ratio must be above 0 and at most max_ratio", () =>
            new LargeScaleJitter(MinRatio: 0)
        );
        Error("random_choice: of is an empty list: it must have at least one list of transforms", () => new RandomChoice([]));
        Error("random_choice: 1 weights for 2 lists: there must be one for each", () => new RandomChoice(
                [
                    [],
                    [],
                ],
                [1]
            ));
        Error("random_choice: weights of [0, 0]: each must be at least 0, and one above it", () => new RandomChoice(
                [
                    [],
                    [],
                ],
                [0, 0]
            ));
        Error("random_choice: random_erasing works on normalized images or on batches: it must stand outside of the choice", () =>
            new RandomChoice([
                [new RandomErasing()],
            ])
        );

        static void Error(string message, Func<object> act) => Assert.Equal(message, Assert.Throws<DataException>(act).Message);
    }
}
