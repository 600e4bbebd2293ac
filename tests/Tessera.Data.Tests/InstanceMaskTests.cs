using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

/// <summary>Masks of objects: forms, overlaps, drawing of polygons, and the way they follow a view.</summary>
public sealed class InstanceMaskTests
{
    // Bitmaps of every density, also empty and full ones.
    private static Arbitrary<(ImageSize Size, byte[] First, byte[] Second)> Bitmaps() =>
        Gen.Choose(1, 9)
            .Two()
            .Zip(Gen.Choose(0, 10).Two())
            .Zip(Gen.Choose(0, 100_000))
            .Select(draw =>
            {
                var (((height, width), (first, second)), seed) = draw;
                var random = new Random(seed);
                return (new ImageSize(height, width), Drawn(height * width, first, random), Drawn(height * width, second, random));
            })
            .ToArbitrary();

    private static byte[] Drawn(int count, int tenths, Random random) =>
        [.. Enumerable.Range(0, count).Select(_ => (byte)(random.Next(10) < tenths ? 1 : 0))];

    [Fact]
    public void Every_form_of_a_mask_gives_the_same_pixels() =>
        Prop.ForAll(Bitmaps(), draw =>
            {
                var mask = InstanceMask.FromBitmap(draw.Size, draw.First);
                Assert.Equal(draw.First, mask.ToBitmap());
                Assert.Equal(draw.First, InstanceMask.FromCounts(draw.Size, mask.ToCounts()).ToBitmap());
                Assert.Equal(mask.ToCounts(), InstanceMask.FromText(draw.Size, mask.ToText()).ToCounts());
                Assert.All(mask.ToCounts().Skip(1), count => Assert.True(count > 0));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Areas_bounds_and_overlaps_are_those_of_the_pixels() =>
        Prop.ForAll(Bitmaps(), draw =>
            {
                var (first, second) = (InstanceMask.FromBitmap(draw.Size, draw.First), InstanceMask.FromBitmap(draw.Size, draw.Second));
                var common = draw.First.Zip(draw.Second).Count(pixel => pixel is (1, 1));
                var either = draw.First.Zip(draw.Second).Count(pixel => pixel is not (0, 0));
                Assert.Equal(draw.First.Count(pixel => pixel == 1), first.Area);
                Assert.Equal(common, first.Intersection(second));
                Assert.Equal(either, InstanceMask.Union([first, second]).Area);
                Assert.Equal(draw.First.Zip(draw.Second, (a, b) => (byte)(a | b)), InstanceMask.Union([first, second]).ToBitmap());
                Assert.Equal(common == 0 ? 0 : common / (double)either, first.Iou(second));
                Assert.Equal(common == 0 ? 0 : common / (double)first.Area, first.Iou(second, isCrowd: true));
                int[] places = [.. draw.First.Index().Where(pixel => pixel.Item == 1).Select(pixel => pixel.Index)];
                var (x, y) = (places.Select(place => place % draw.Size.Width), places.Select(place => place / draw.Size.Width));
                Assert.Equal(places.Length == 0 ? default : new(x.Min(), y.Min(), x.Max() + 1, y.Max() + 1), first.Bounds);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_text_is_a_mask_or_a_typed_error() =>
        Prop.ForAll(Gen.Choose(40, 120).ArrayOf().Zip(Gen.Choose(1, 20).Two()).ToArbitrary(), draw =>
            {
                var (characters, (height, width)) = draw;
                var text = string.Concat(characters.Select(c => (char)c));
                try
                {
                    var mask = InstanceMask.FromText(new(height, width), text);
                    Assert.Equal(height * width, mask.ToCounts().Sum());
                }
                catch (DataException error)
                {
                    Assert.Contains("run lengths", error.Message, StringComparison.Ordinal);
                }
            })
            .QuickCheckThrowOnFailure();

    // Word by word as the reference describes it: in fractions, where ours counts in whole numbers.
    private static byte[] Drawn(double[] polygon, int h, int w)
    {
        var k = polygon.Length / 2;
        int[] xs = [.. Enumerable.Range(0, k + 1).Select(j => (int)(5 * polygon[j % k * 2] + 0.5))];
        int[] ys = [.. Enumerable.Range(0, k + 1).Select(j => (int)(5 * polygon[j % k * 2 + 1] + 0.5))];
        var (u, v) = (new List<int>(), new List<int>());
        for (var j = 0; j < k; j++)
        {
            var (x0, x1, y0, y1) = (xs[j], xs[j + 1], ys[j], ys[j + 1]);
            var (dx, dy) = (Math.Abs(x1 - x0), Math.Abs(y0 - y1));
            var flip = (dx >= dy && x0 > x1) || (dx < dy && y0 > y1);
            if (flip)
                (x0, x1, y0, y1) = (x1, x0, y1, y0);
            var s =
                dx == 0 && dy == 0 ? 0
                : dx >= dy ? (double)(y1 - y0) / dx
                : (double)(x1 - x0) / dy;
            for (var d = 0; d <= Math.Max(dx, dy); d++)
            {
                var t = flip ? Math.Max(dx, dy) - d : d;
                u.Add(dx >= dy ? t + x0 : (int)(x0 + s * t + 0.5));
                v.Add(dx >= dy ? (int)(y0 + s * t + 0.5) : t + y0);
            }
        }
        var places = new List<int>();
        for (var j = 1; j < u.Count; j++)
        {
            if (u[j] == u[j - 1])
                continue;
            double xd = u[j] < u[j - 1] ? u[j] : u[j] - 1;
            xd = (xd + 0.5) / 5 - 0.5;
            if (Math.Floor(xd) != xd || xd < 0 || xd > w - 1)
                continue;
            double yd = Math.Min(v[j], v[j - 1]);
            yd = Math.Ceiling(Math.Clamp((yd + 0.5) / 5 - 0.5, 0, h));
            places.Add((int)(xd * h + yd));
        }
        places.Sort();
        var pixels = new byte[h * w];
        for (var i = 0; i < h * w; i++)
            pixels[i % h * w + i / h] = (byte)(places.Count(place => place <= i) % 2);
        return pixels;
    }

    [Fact]
    public void Polygons_are_drawn_as_the_reference_describes_it() =>
        Prop.ForAll(Gen.Choose(-60, 200).ArrayOf(14).Zip(Gen.Choose(3, 7)).Zip(Gen.Choose(1, 14).Two()).ToArbitrary(), draw =>
            {
                var ((numbers, points), (height, width)) = draw;
                double[] polygon = [.. numbers.Take(2 * points).Select(number => number / 10.0)];
                var mask = InstanceMask.FromPolygons(new(height, width), [polygon]);
                Assert.Equal(Drawn(polygon, height, width), mask.ToBitmap());
                Assert.Equal(height * width, mask.ToCounts().Sum());
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Several_polygons_are_one_object()
    {
        var size = new ImageSize(4, 6);
        double[] left = [0, 0, 2, 0, 2, 4, 0, 4],
            right = [1, 0, 4, 0, 4, 2, 1, 2];
        var mask = InstanceMask.FromPolygons(size, [left, right]);
        Assert.Equal(
            InstanceMask.Union([InstanceMask.FromPolygons(size, [left]), InstanceMask.FromPolygons(size, [right])]).ToCounts(),
            mask.ToCounts()
        );
        Assert.Equal((12L, new ObjectBox(0, 0, 4, 4)), (mask.Area, mask.Bounds));
        Assert.Equal(mask.ToCounts(), mask.AsRuns().ToCounts());
        Assert.Equal(0, InstanceMask.FromPolygons(size, []).Area);
    }

    [Fact]
    public void What_is_no_mask_is_refused()
    {
        var size = new ImageSize(2, 3);
        Error("run lengths of a mask add up to 5, and must add up to the 6 pixels of 2x3", () => InstanceMask.FromCounts(size, [2, 3]));
        Error("run lengths of a mask hold -1: they must be at least 0", () => InstanceMask.FromCounts(size, [7, -1]));
        Error("compressed run lengths of a mask end within a number", () => InstanceMask.FromText(size, "P"));
        Error("compressed run lengths of a mask are no such text at character 1", () => InstanceMask.FromText(size, " "));
        Error("a bitmap of 5 pixels is no mask of 2x3", () => InstanceMask.FromBitmap(size, new byte[5]));
        Error("a polygon has 5 coordinates: it must have an even number, and at least 6", () => InstanceMask.FromPolygons(
                size,
                [
                    [0, 0, 1, 1, 2],
                ]
            ));
        Error("a polygon has the coordinate NaN: it must be within 1048576 pixels", () => InstanceMask.FromPolygons(
                size,
                [
                    [0, 0, 1, 1, 2, double.NaN],
                ]
            ));
        Error("masks of 2x3 and 3x2 cannot be compared: they must be of one image", () =>
            InstanceMask.FromCounts(size, [6]).Iou(InstanceMask.FromCounts(new(3, 2), [6]))
        );
        Error("a union needs at least one mask", () => InstanceMask.Union([]));

        static void Error(string message, Func<object> act) => Assert.Equal(message, Assert.Throws<DataException>(act).Message);
    }

    [Fact]
    public void A_mask_follows_a_view_as_a_label_map_does() =>
        Prop.ForAll(Bitmaps(), draw =>
            {
                var random = new Random(draw.First.Sum(pixel => pixel) + draw.First.Length);
                var view = new ImageView(random.NextDouble() - 0.5, random.NextDouble(), -1.5 * random.NextDouble(), random.NextDouble());
                var image = new PreparedImage(view, view.Intersect(new(0.1, 0, 0.8, 0.9)), draw.Size);
                var (size, ids, bits) = (new ImageSize(7, 5), new long[35], new byte[35]);
                new LabelMap(draw.First, draw.Size).Follow(image, size, ids);
                InstanceMask.FromBitmap(draw.Size, draw.First).Follow(image, size, bits);
                Assert.Equal(ids.Select(id => (byte)(id == 1 ? 1 : 0)), bits);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Targets_have_masks_of_the_kept_rows_and_all_originals()
    {
        using var scope = new Scope();
        var size = new ImageSize(4, 4);
        ImageObject whole =
                new(
                    new(0, 0, 4, 2),
                    0,
                    1,
                    Mask: InstanceMask.FromPolygons(
                        size,
                        [
                            [0, 0, 4, 0, 4, 2, 0, 2],
                        ]
                    )
                ),
            thin = new(new(0, 0, 0.5, 4), 0, 2, Mask: InstanceMask.FromCounts(size, [16])),
            empty = new(new(0, 0, 2, 2), 0, 3, Area: 0, Mask: InstanceMask.FromCounts(size, [16])),
            crowd = new(new(1, 1, 3, 3), 0, 4, IsCrowd: true);
        var boxes = new ObjectBoxes(
            ["a"],
            [
                [thin, whole, empty, crowd],
                [],
            ]
        )
        {
            ImageIds = [7, 9],
            CategoryIds = [3],
            Sizes = [size, null],
        };
        Assert.True(boxes.HasMasks);
        var targets = BoxTargets.Of(BatchOf(boxes, new RandomHorizontalFlip(1), new Squash(2)));
        Assert.Equal([1L, 4], targets.Ids.ToArray<long>());
        using var bitmaps = targets.Bitmaps()!;
        Assert.Equal([2L, 2, 2], bitmaps.Shape.ToArray());
        Assert.Equal([1, 1, 0, 0, 0, 0, 0, 0], bitmaps.ToArray<byte>());
        Assert.Equal(["1 2 3 4", ""], targets.Originals.Select(own => string.Join(' ', own.Select(one => one.Id).Order())));
        // A part without objects is one of a set with masks all the same.
        var second = targets.Slice(1, 1);
        Assert.Equal([0L, 2, 2], second.Bitmaps()!.Shape.ToArray());
        Assert.Empty(Assert.Single(second.Originals));
        var part = boxes.Part([1]);
        Assert.Equal((true, 9, 3), (part.HasMasks, part.ImageIds![0], part.CategoryIds![0]));
        Assert.Null(part.Sizes![0]);
        var renumbered = boxes.Renumbered(new(["a"], ["b", "a"]));
        Assert.Equal([null, 3L], renumbered.CategoryIds);
        Assert.Same(whole.Mask, renumbered[0][1].Mask);
        Assert.Null(
            BoxTargets
                .Of(
                    BatchOf(
                        new ObjectBoxes(
                            ["a"],
                            [
                                [whole, thin with { Mask = null }],
                                [],
                            ]
                        )
                    )
                )
                .Bitmaps()
        );
    }

    [Fact]
    public void Annotations_of_another_size_than_the_image_are_refused()
    {
        using var scope = new Scope();
        var stated = new ObjectBoxes(
            ["a"],
            [
                [],
                [],
            ]
        )
        {
            Sizes = [new ImageSize(4, 4), new ImageSize(8, 4)],
            ImageIds = [7, 9],
        };
        Assert.Equal(
            "sample 1 (image 9): its annotations are of an image of 8x4, and the image is 4x4; they must be equal",
            Assert.Throws<DataException>(() => BatchOf(stated)).Message
        );
        var masked = new ObjectBoxes(
            ["a"],
            [
                [new(new(0, 0, 1, 1), 0, Mask: InstanceMask.FromCounts(new(2, 2), [4]))],
                [],
            ]
        );
        Assert.Contains("an image of 2x2", Assert.Throws<DataException>(() => BatchOf(masked)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() =>
            new ObjectBoxes(
                ["a"],
                [
                    [],
                ]
            )
            {
                ImageIds = [1, 2],
            }
        );
    }

    private static Batch BatchOf(Annotations annotations, params Transform[] steps) =>
        new Loader(
            new MemoryImages("set", "train", annotations, new byte[32], 1, 4, 4),
            new(steps, new([0f], [1 / 255f])),
            new(2) { Workers = 0 }
        )
            .Epoch(0)
            .Single();
}
