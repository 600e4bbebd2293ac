using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Label maps and boxes follow every image to its view.</summary>
public sealed class DenseTargetsTests
{
    private static readonly Normalization raw = new([0f], [1 / 255f]);
    private static readonly string[] names = [.. Enumerable.Range(0, 250).Select(id => $"{id}")];

    /// <summary>What does not resize, and what does; what enters is as white as an ignored pixel.</summary>
    private static readonly ImageTransform[] moves =
    [
        new RandomHorizontalFlip(),
        new RandomVerticalFlip(),
        new RandomCrop(Pad: 3, Fill: 255),
        new RandomCrop(Pad: 1, Size: 4, Fill: 255),
        new RandomShift(2, Fill: 255),
        new CenterCrop(4),
        new RandomSizeCrop(3, 7),
        new Pad(9, 8, Fill: 255),
        new RandomChoice([
            [new RandomSizeCrop(2, 5), new RandomHorizontalFlip()],
            [new RandomShift(1, Fill: 255)],
        ]),
    ];
    private static readonly ImageTransform[] resizes =
    [
        new Squash(5, Interpolation.Nearest),
        new Squash(13, Interpolation.Nearest),
        new Resize(7, Interpolation.Nearest),
        new RandomResizedCrop(6, 0.3, 1, Interpolation: Interpolation.Nearest),
        new RandomResize([5, 17], 20, 4, Interpolation.Nearest),
        new LargeScaleJitter(11, 9, 0.3, 2, Fill: 255, Interpolation.Nearest),
    ];

    /// <summary>
    /// Pipelines of moves with at most one resize among them: the nearest pixel of a nearest pixel need not be the nearest.
    /// </summary>
    private static Arbitrary<(ImageTransform[] Steps, int Height, int Width, ulong Seed)> Pipelines() =>
        Gen.Elements(moves)
            .ArrayOf(3)
            .Zip(Gen.Elements([.. resizes, null]))
            .Zip(Gen.Choose(0, 3))
            .Zip(Gen.Choose(6, 15).Two().Zip(Gen.Choose(0, 10_000)))
            .Select(draw =>
            {
                var (((steps, resize), place), ((height, width), seed)) = draw;
                return (resize is null ? steps : [.. steps[..place], resize, .. steps[place..]], height, width, (ulong)seed);
            })
            .ToArbitrary();

    // Whether the nearest pixel of a row is clear: the centre does not lie on a border of the original's pixels.
    private static bool[] Clear(double start, double length, int original, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => (start + (i + 0.5) / count * length) * original)
                .Select(place => Math.Abs(place - Math.Round(place)) > 1e-4),
        ];

    [Fact]
    public void A_map_painted_from_the_pixels_of_an_image_stays_equal_to_them() =>
        Prop.ForAll(Pipelines(), draw =>
            {
                using var scope = new Scope();
                var (steps, height, width, seed) = draw;
                var pixels = new byte[5 * height * width];
                var random = new Random((int)seed);
                foreach (ref var pixel in pixels.AsSpan())
                    pixel = (byte)random.Next(1, 250);
                var maps = new LabelMaps(names, 5, i => new(pixels[(i * height * width)..((i + 1) * height * width)], new(height, width)));
                var set = new MemoryImages("set", "train", maps, pixels, 1, height, width);
                // Sizes may be drawn for each image.
                var batch = new Loader(set, new([.. steps, new PadBatch()], raw), new(5) { Seed = seed, Workers = 0 }).Epoch(0).Single();
                var (inputs, ids) = (batch.Inputs.ToArray<float>(), MaskTargets.Of(batch).Ids.ToArray<long>());
                var (h, w) = ((int)batch.Inputs.Size(2), (int)batch.Inputs.Size(3));
                Assert.Equal([5, h, w], MaskTargets.Of(batch).Ids.Shape.ToArray());
                for (var i = 0; i < 5; i++)
                {
                    var view = batch.Views[0].Images![i];
                    var (rows, columns) = (Clear(view.Top, view.Height, height, h), Clear(view.Left, view.Width, width, w));
                    for (var y = 0; y < h; y++)
                    for (var x = 0; x < w; x++)
                    {
                        var (value, id) = ((int)Math.Round(inputs[(i * h + y) * w + x]), ids[(i * h + y) * w + x]);
                        // CenterCrop fills with black, and so is a batch.
                        if (rows[y] && columns[x])
                            Assert.Equal(value == 0 ? LabelMap.Ignored : value, id);
                    }
                }
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_box_around_a_blob_still_bounds_it() =>
        Prop.ForAll(Pipelines(), draw =>
            {
                using var scope = new Scope();
                var (steps, height, width, seed) = draw;
                var random = new Random((int)seed);
                var pixels = new byte[height * width];
                var (top, left) = (random.Next(height), random.Next(width));
                var (bottom, right) = (random.Next(top + 1, height + 1), random.Next(left + 1, width + 1));
                for (var y = top; y < bottom; y++)
                    pixels.AsSpan(y * width)[left..right].Fill(200);
                var boxes = new ObjectBoxes(
                    ["blob"],
                    [
                        [new(new(left, top, right, bottom), 0)],
                    ],
                    minSize: 0
                );
                var set = new MemoryImages("set", "train", boxes, pixels, 1, height, width);
                var batch = new Loader(set, new(steps, raw), new(1) { Seed = seed, Workers = 0 }).Epoch(0).Single();
                var targets = BoxTargets.Of(batch);
                var box = targets.Boxes.ToArray<float>();
                var view = batch.Views[0].Images![0];
                var (h, w) = ((int)batch.Inputs.Size(2), (int)batch.Inputs.Size(3));
                var (rows, columns) = (Clear(view.Top, view.Height, height, h), Clear(view.Left, view.Width, width, w));
                var inputs = batch.Inputs.ToArray<float>();
                for (var y = 0; y < h; y++)
                for (var x = 0; x < w; x++)
                {
                    var isInside = box is [var x1, var y1, var x2, var y2] && x + 0.5 > x1 && x + 0.5 < x2 && y + 0.5 > y1 && y + 0.5 < y2;
                    if (rows[y] && columns[x])
                        Assert.Equal(isInside, Math.Abs(inputs[y * w + x] - 200) < 0.5);
                }
            })
            .QuickCheckThrowOnFailure();

    private static ObjectBoxes TwoImages(double minSize = 1) =>
        new(
            ["cat", "dog"],
            [
                [
                    new(new(0, 0, 4, 8), 0, Id: 11, Area: 16),
                    new(new(6, 2, 8, 4), 1, Id: 12, IsCrowd: true),
                    new(new(3, 3, 5, 5), 1, Id: 13, IsIgnored: true),
                ],
                [],
            ],
            minSize
        );

    private static Batch BatchOf(Annotations annotations, params Transform[] steps) =>
        new Loader(new MemoryImages("set", "train", annotations, new byte[128], 1, 8, 8), new(steps, raw), new(2) { Workers = 0 })
            .Epoch(0)
            .Single();

    [Fact]
    public void An_object_is_moved_clipped_and_dropped_with_all_that_belongs_to_it()
    {
        using var scope = new Scope();
        // The middle of 4x4 pixels, mirrored and twice as large: x becomes 2 (6 - x), y becomes 2 (y - 2).
        var batch = BatchOf(TwoImages(), new CenterCrop(4), new RandomHorizontalFlip(1), new Squash(8));
        var targets = BoxTargets.Of(batch);
        Assert.Equal([4, 0, 8, 8, 2, 2, 6, 6], targets.Boxes.ToArray<float>());
        Assert.Equal([0L, 1], targets.Classes.ToArray<long>());
        Assert.Equal([11L, 13], targets.Ids.ToArray<long>());
        Assert.Equal([false, false], targets.Crowd.ToArray<bool>());
        Assert.Equal([false, true], targets.Ignored.ToArray<bool>());
        // A quarter of the first box is visible, four times as large; its object likewise.
        Assert.Equal([16f, 16], targets.Areas.ToArray<float>());
        Assert.Equal([0, 2, 2], targets.Offsets);
        Assert.Equal(new ImageSize(8, 8), targets.Images[0].Original);
        Assert.Equal(batch.Views[0].Images![0], targets.Images[0].View);
    }

    [Fact]
    public void Small_objects_are_dropped_and_parts_of_a_batch_keep_their_own()
    {
        using var scope = new Scope();
        Assert.Equal([11L, 12, 13], BoxTargets.Of(BatchOf(TwoImages())).Ids.ToArray<long>());
        Assert.Equal([11L], BoxTargets.Of(BatchOf(TwoImages(2.5))).Ids.ToArray<long>());
        var boxes = new ObjectBoxes(
            ["a"],
            [
                [new(new(0, 0, 2, 2), 0, 1)],
                [new(new(0, 0, 3, 3), 0, 2), new(new(1, 1, 4, 4), 0, 3)],
            ]
        );
        var targets = BoxTargets.Of(BatchOf(boxes));
        Assert.Equal([0, 1, 3], targets.Offsets);
        var second = targets.Slice(1, 1);
        Assert.Equal((1, 2), (second.Count, second.Boxes.Size(0)));
        Assert.Equal([0, 2], second.Offsets);
        Assert.Equal([2L, 3], second.To(Device.Cpu).Ids.ToArray<long>());
        var part = boxes.Part([1, 1]);
        Assert.Equal([2L, 3, 2, 3], BoxTargets.Of(BatchOf(part)).Ids.ToArray<long>());
        Assert.NotEqual(boxes.Describe(0), boxes.Describe(1));
    }

    [Fact]
    public void Boxes_of_one_pixel_are_kept_and_boxes_that_touch_the_image_are_dropped()
    {
        using var scope = new Scope();
        for (var side = 1; side < 60; side++)
        {
            var pixel = new ObjectBoxes(
                ["a"],
                [
                    [.. Enumerable.Range(0, side).Select(i => new ImageObject(new(i, i, i + 1, i + 1), 0, i))],
                ]
            );
            // Up to the left edge of the pixel in the middle.
            var edge = (int)Math.Round((side - 1) / 2.0, MidpointRounding.ToEven);
            var beside = new ObjectBoxes(
                ["a"],
                [
                    [new(new(0, 0, edge, side), 0)],
                ],
                minSize: 0
            );
            foreach (var (annotations, crop, kept) in new[] { (pixel, side, side), (pixel, 1, 1), (beside, 1, 0) })
            {
                var set = new MemoryImages("set", "train", annotations, new byte[side * side], 1, side, side, raw);
                var batch = new Loader(set, new([new CenterCrop(crop)]), new(1) { Workers = 0 }).Epoch(0).Single();
                Assert.Equal(kept, BoxTargets.Of(batch).Boxes.Size(0));
            }
        }
    }

    [Fact]
    public void Transforms_that_cannot_be_followed_are_refused_with_the_reason()
    {
        Refused("rand_augment: it rotates and shears images", new RandAugment());
        Refused("auto_augment: its table imagenet has Rotate", new AutoAugment());
        Refused("random_crop: its padding shows mirrored parts of the image", new RandomCrop(Pad: 1, Mode: Padding.Reflect));
        BatchOf(TwoImages(), new AutoAugment("3a"), new RandomCrop(Size: 4, Mode: Padding.Reflect), new RandomErasing(1)).Dispose();
        // Targets follow the first view only.
        var set = new MemoryImages("set", "train", TwoImages(), new byte[128], 1, 8, 8);
        Assert.NotNull(
            new Loader(
                set,
                Pipeline.OfViews([
                    [],
                    [new RandAugment()],
                ]),
                new(1)
            )
        );
        Assert.Equal(
            "set: augment mixes or smooths targets, but boxes cannot be mixed or smoothed",
            Assert.Throws<DataException>(() => BatchOf(TwoImages(), new Mixup())).Message
        );

        static void Refused(string problem, Transform step) =>
            Assert.Equal(
                $"set: label maps and boxes cannot follow an image through {problem}",
                Assert.Throws<DataException>(() => BatchOf(TwoImages(), step)).Message
            );
    }

    [Fact]
    public void Maps_and_boxes_that_cannot_be_right_are_named()
    {
        static LabelMaps Maps(byte value, int height = 8) =>
            new(["a", "b"], 2, _ => new([.. Enumerable.Repeat(value, height * 8)], new(height, 8)));
        BatchOf(Maps(LabelMap.Ignored)).Dispose();
        Error("sample 0: its label map holds 2; it must hold classes below 2 and 255", () => BatchOf(Maps(2)));
        Error("sample 0: its label map is 4x8 and its image 8x8; they must be equal", () => BatchOf(Maps(0, 4)));
        Error("sample 0: its label map has 3 pixels and must have 8x8", () =>
            BatchOf(new LabelMaps(["a"], 2, _ => new(new byte[3], new(8, 8))))
        );
        Error("label maps: 256 classes, and there must be at most 255", () => new LabelMaps(new string[256], 1, null!));
        Error("data set: sample 0 has class 1, but there are 1 classes", () => new ObjectBoxes(
                ["a"],
                [
                    [new(default, 1)],
                ]
            ));
        Error("data set: sample 0 has a box of (2, 0) to (1, 1): the upper left corner must come first", () => new ObjectBoxes(
                ["a"],
                [
                    [new(new(2, 0, 1, 1), 0)],
                ]
            ));
        Error("data set: smallest boxes of -1 pixels: the size must be at least 0", () => new ObjectBoxes([], [], -1));

        static void Error(string message, Func<object> act) => Assert.Equal(message, Assert.Throws<DataException>(act).Message);
    }

    [Fact]
    public void Maps_are_read_for_their_batch_alone_and_follow_crops_out_of_files()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        var random = new Random(3);
        var values = new byte[4][];
        for (var i = 0; i < 4; i++)
        {
            random.NextBytes(values[i] = new byte[30 * 20]);
            foreach (ref var value in values[i].AsSpan())
                value = (byte)(value % 250);
            folder.Write($"{i}.ppm", Pnm.Pixels(20, 30, values[i].SelectMany(value => Enumerable.Repeat(value, 3))));
        }
        var read = new List<int>();
        var maps = new LabelMaps(names, 4, i =>
        {
            read.Add(i);
            return new(values[i], new(30, 20));
        });
        var set = new FileImages("files", "train", [.. Enumerable.Range(0, 4).Select(i => folder[$"{i}.ppm"])], maps, new([0], [1 / 255f]));
        Transform[] steps = [new RandomResizedCrop(9, 0.2, 0.9, Interpolation: Interpolation.Nearest), new RandomHorizontalFlip()];
        var batch = new Loader(set.Part([3, 1]), new(steps), new(1) { Seed = 4, Workers = 0 }).Epoch(0).First();
        Assert.Equal([3], read);
        var (inputs, ids) = (batch.Inputs.ToArray<float>()[..81], MaskTargets.Of(batch).Ids.ToArray<long>());
        var view = batch.Views[0].Images![0];
        var (rows, columns) = (Clear(view.Top, view.Height, 30, 9), Clear(view.Left, view.Width, 20, 9));
        for (var i = 0; i < 81; i++)
            if (rows[i / 9] && columns[i % 9])
                Assert.Equal((long)Math.Round(inputs[i]), ids[i]);
        Assert.Equal(maps.Describe(3), maps.Part([3]).Describe(0));
        Assert.NotEqual(maps.Describe(3), maps.Describe(1));
    }

    [Fact]
    public void Batches_made_on_a_device_have_the_same_maps_and_boxes()
    {
        using var scope = new Scope();
        var pixels = new byte[6 * 64];
        new Random(1).NextBytes(pixels);
        foreach (ref var pixel in pixels.AsSpan())
            pixel %= 250;
        var pipeline = new Pipeline([new RandomCrop(Pad: 2), new RandomHorizontalFlip()]);
        var maps = new LabelMaps(names, 6, i => new(pixels[(i * 64)..((i + 1) * 64)], new(8, 8)));
        Assert.Equal(Run(maps, null).SelectMany(t => MaskTargetsOf(t)), Run(maps, Device.Cpu).SelectMany(t => MaskTargetsOf(t)));
        var boxes = new ObjectBoxes(["a"], [.. Enumerable.Range(0, 6).Select(i => (ImageObject[])[new(new(i, 0, 8, 8 - i), 0)])]);
        Assert.Equal(Run(boxes, null).SelectMany(t => BoxesOf(t)), Run(boxes, Device.Cpu).SelectMany(t => BoxesOf(t)));

        Batch[] Run(Annotations annotations, Device? device) =>
            [
                .. new Loader(
                    new MemoryImages("set", "train", annotations, pixels, 1, 8, 8),
                    pipeline,
                    new(4)
                    {
                        Shuffle = true,
                        Workers = 0,
                        Device = device,
                    }
                ).Epoch(0),
            ];

        static long[] MaskTargetsOf(Batch batch) => MaskTargets.Of(batch).Ids.ToArray<long>();
        static float[] BoxesOf(Batch batch) => BoxTargets.Of(batch).Boxes.ToArray<float>();
    }
}
