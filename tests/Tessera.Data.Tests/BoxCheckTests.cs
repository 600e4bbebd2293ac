using System.Collections.Concurrent;
using Tessera.Data.Checks;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>What a check says of boxes.</summary>
public sealed class BoxCheckTests
{
    private static readonly string[] names = ["cat", "dog", "owl"];

    // Images SPLIT/N.png of 40 columns and 30 rows; their objects come with the test.
    private static readonly ConcurrentDictionary<string, Func<string, int, ObjectBoxes>> annotations = new();
    private static readonly DatasetKind kind = new(
        "objects_to_check",
        "images with boxes, for tests",
        ["train", "val"],
        "objects_to_check",
        (split, root) =>
        {
            string[] images = [.. Directory.EnumerateFiles(Path.Combine(root!, split), "*.png").Order(StringComparer.Ordinal)];
            return new FileImages("objects_to_check", split, images, annotations[root!](split, images.Length));
        }
    )
    {
        SplitsIn = root => [.. Directory.EnumerateDirectories(root).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)],
    };

    static BoxCheckTests() => Datasets.Add(kind);

    private static int made;

    private static void Image(TempFolder folder, string name, int height = 30, int width = 40)
    {
        var value = Interlocked.Increment(ref made);
        folder.Write($"{name}.png", ImageBytes.Png(height, width, y => [.. Enumerable.Repeat((byte)(value + y), width)]));
    }

    private static ImageObject Object(
        double left,
        double top,
        double width,
        double height,
        int label = 0,
        long id = 0,
        InstanceMask? mask = null,
        double? area = null
    ) => new(new(left, top, left + width, top + height), label, id, Area: area, Mask: mask);

    // As many images as there are lists, all in train.
    private static CheckReport Check(TempFolder folder, params ImageObject[][] objects) => Check(folder, new CheckOptions(), objects);

    private static CheckReport Check(TempFolder folder, CheckOptions options, params ImageObject[][] objects)
    {
        for (var i = 0; i < objects.Length; i++)
            if (!File.Exists(folder[$"train/{i}.png"]))
                Image(folder, $"train/{i}");
        return Check(folder, options, (split, count) =>
            new ObjectBoxes(names, split == "train" ? objects : [.. Enumerable.Repeat(Array.Empty<ImageObject>(), count)])
        );
    }

    private static CheckReport Check(TempFolder folder, CheckOptions options, Func<string, int, ObjectBoxes> own)
    {
        annotations[folder.Path] = own;
        return DatasetCheck.Run(OpenedSplits.Open(kind.Name, folder.Path), options);
    }

    [Fact]
    public void Objects_are_counted_by_class_size_and_image()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 4; i++)
            Image(folder, $"train/{i}", 200, 200);
        var report = Check(
            folder,
            [
                Object(0, 0, 31, 33),
                Object(0, 50, 32, 32, 1),
                Object(0, 90, 96, 95, 1),
                Object(100, 0, 100, 100, 1, area: 5),
                Object(0, 0, 9, 9, 2) with
                {
                    IsCrowd = true,
                },
            ],
            [Object(0, 0, 96, 96, 1)],
            [],
            [Object(0, 0, 8, 8) with { IsIgnored = true }]
        );
        var boxes = report.Splits[0].Boxes!;
        Assert.Equal([new("cat", 1, 1, 1, 0, 0, 0), new("dog", 4, 2, 1, 2, 1, 0), new("owl", 0, 0, 0, 0, 0, null)], boxes.Classes);
        Assert.Equal((5, 2, 2, 1), (boxes.Objects, boxes.Small, boxes.Medium, boxes.Large));
        Assert.Equal([2, 1, 0, 0, 1], boxes.PerImage);
        Assert.Equal((2, 4, 1.25, 1, 1), (boxes.Without, boxes.Most, boxes.Mean, boxes.Crowds, boxes.Ignored));
        report.Single(Severity.Remark, "2 of 4 images have no objects: they teach what is none");
        report.Single(Severity.Remark, "1 of 7 boxes is around crowds");
        report.Single(Severity.Remark, "1 of 7 objects is ignored");
        report.IsSilentOn(
            "leave",
            "reach",
            "outside",
            "no area",
            "at most a pixel",
            "class and the box",
            "mask",
            "another size",
            "tell apart"
        );
        Assert.False(report.HasProblems);
    }

    [Fact]
    public void Classes_that_never_occur_are_named_and_one_class_is_enough()
    {
        using var folder = new TempFolder();
        Image(folder, "val/0");
        var report = Check(folder, [Object(0, 0, 9, 9)], [Object(0, 0, 9, 9, 1)]);
        Assert.Equal(["'owl'"], report.Single(Severity.Warning, "1 class of 3 occurs in no image").Examples);
        report.Single(Severity.Warning, "2 classes have fewer than 10 images");
        report = Check(folder, new(), (split, count) =>
            new ObjectBoxes(
                split == "train" ? ["cat"] : ["cat", "bat"],
                [.. Enumerable.Range(0, count).Select(_ => (ImageObject[])[Object(0, 0, 9, 9, split == "train" ? 0 : 1)])]
            )
        );
        report.IsSilentOn("tell apart");
        Assert.Equal("val", report.Single(Severity.Problem, "train does not have 1 class of this split").Split);
        // A crowd teaches nothing of its class.
        report = Check(folder, [], [Object(0, 0, 9, 9) with { IsCrowd = true }]);
        Assert.Equal(
            ["train", "val"],
            report.Of(Severity.Warning).Where(own => own.Text == "no image has an object that counts").Select(own => own.Split)
        );
        report.Single(Severity.Warning, "3 classes of 3 occur in no image");
    }

    [Fact]
    public void Corners_that_are_read_as_a_corner_and_a_size_are_told()
    {
        using var folder = new TempFolder();
        // x1, y1, x2, y2 of small boxes all over the image, taken for x, y, width, height.
        ImageObject[] Read(params (int X1, int Y1, int X2, int Y2)[] corners) =>
            [.. corners.Select(one => Object(one.X1, one.Y1, one.X2, one.Y2))];
        var report = Check(folder, Read((1, 1, 5, 5), (20, 15, 30, 25), (2, 3, 9, 9), (25, 20, 40, 30)), Read((0, 0, 9, 9)));
        Assert.True(report.Splits[0].Boxes!.LooksLikeCorners);
        report.Single(
            Severity.Warning,
            "2 of 5 boxes leave their images, and none would if their numbers were corners: they look like x1, y1, x2, y2, and are read as "
                + "x, y, width, height"
        );
        report.IsSilentOn("over the edge");
        // A fifth is not more than a fifth.
        Check(folder, Read((1, 1, 5, 5), (1, 2, 5, 5), (2, 3, 9, 9), (25, 20, 40, 30)), Read((0, 0, 9, 9))).IsSilentOn("corners");
        // One box that leaves its image as corners as well speaks against it: there the second corner comes before the first.
        report = Check(folder, Read((1, 1, 5, 5), (20, 15, 30, 25), (2, 3, 9, 9), (25, 20, 40, 30)), Read((20, 9, 9, 9)));
        report.IsSilentOn("corners");
        report.Single(Severity.Warning, "2 of 5 boxes reach over the edge of the image");
    }

    [Fact]
    public void Boxes_outside_without_area_and_too_small_ones_are_told_apart()
    {
        using var folder = new TempFolder();
        var report = Check(
            folder,
            [
                Object(10, 10, 5, 1, id: 1),
                Object(38, 10, 5, 5, id: 2),
                Object(40, 10, 5, 5, id: 3),
                Object(-5, -5, 5, 4, 1, id: 4),
                Object(3, 3, 0, 9, id: 5),
                Object(3, 3, 9, 9, id: 6, area: 0),
                Object(3, 3, 0.5, 9, id: 7),
                Object(0, 0, 40.4, 30.4, id: 8),
            ]
        );
        Assert.Equal(
            [
                $"{folder["train/0.png"]}: annotation 3, 'cat' from (40, 10) to (45, 15)",
                $"{folder["train/0.png"]}: annotation 4, 'dog' from (-5, -5) to (0, -1)",
            ],
            report.Single(Severity.Warning, "2 of 8 boxes lie outside of the image, and are not learned from").Examples
        );
        report.Single(Severity.Warning, "1 of 8 boxes reaches over the edge of the image, and is cut there");
        var boxes = report.Splits[0].Boxes!;
        report.Single(Severity.Warning, "2 of 8 objects have no area, and are not learned from");
        Assert.Equal([5L, 6], boxes.Flat.Select(one => one.Id));
        report.Single(Severity.Warning, "2 of 8 objects are at most a pixel wide or high");
        Assert.Equal([1L, 7], boxes.Tiny.Select(one => one.Id));
        // Among very many, a few that are cut are no warning.
        Image(folder, "train/1");
        report = Check(folder, [Object(38, 10, 5, 5)], [.. Enumerable.Range(0, 200).Select(i => Object(0, 0, 1 + i * 0.1, 9))]);
        report.Single(Severity.Remark, "1 of 201 boxes reaches over the edge");
    }

    [Fact]
    public void Boxes_that_are_there_twice_are_named_by_class_and_image()
    {
        using var folder = new TempFolder();
        var one = Object(1, 2, 3, 4, id: 7);
        var report = Check(
            folder,
            [one, one with { Id = 8 }, one with { Class = 1 }, Object(1, 2, 3, 4.5), one with { Id = 9 }, one with { IsCrowd = true }],
            [one]
        );
        Assert.Equal([8L, 9], report.Splits[0].Boxes!.Doubled.Select(found => found.Id));
        Assert.Equal(
            $"{folder["train/0.png"]}: annotation 8, 'cat' from (1, 2) to (4, 6)",
            report.Single(Severity.Warning, "2 of 7 objects have the class and the box of another in the same image").Examples[0]
        );
    }

    private static InstanceMask Mask(int left, int top, int right, int bottom, int height = 30, int width = 40)
    {
        var bitmap = new byte[height * width];
        for (var y = top; y < bottom; y++)
            bitmap.AsSpan(y * width)[left..right].Fill(1);
        return InstanceMask.FromBitmap(new(height, width), bitmap);
    }

    [Fact]
    public void Masks_must_fit_their_boxes_and_have_pixels()
    {
        using var folder = new TempFolder();
        ImageObject[] objects =
        [
            Object(10, 10, 10, 10, id: 1, mask: Mask(10, 10, 20, 20)),
            Object(9, 11, 10, 10, id: 2, mask: Mask(10, 10, 20, 20)),
            Object(10, 10, 10, 10, id: 3, mask: Mask(20, 10, 30, 20)),
            Object(0, 0, 30, 20, id: 4, mask: Mask(3, 0, 30, 20)),
            Object(1, 1, 5, 5, id: 5, mask: Mask(0, 0, 0, 0)),
            Object(35, 5, 20, 10, id: 6, mask: Mask(35, 5, 40, 15)),
        ];
        var report = Check(folder, objects);
        Assert.Equal(
            [$"{folder["train/0.png"]}: annotation 3, 'cat' from (10, 10) to (20, 20), and its mask from (20, 10) to (30, 20)"],
            report.Single(Severity.Warning, "1 of 6 masks does not fit its box").Examples
        );
        Assert.Equal([5L], report.Splits[0].Boxes!.Blank.Select(one => one.Id));
        report.Single(Severity.Warning, "1 of 6 masks has no pixel");
        report.IsSilentOn("no mask,");
        report = Check(folder, [.. objects, Object(1, 1, 5, 5)]);
        report.Single(Severity.Warning, "1 of 7 objects has no mask, and the others have one");
        Assert.Equal(6, report.Splits[0].Boxes!.Masks);
        // Masks are costly to look at.
        Check(folder, new CheckOptions(Quick: true), [.. objects]).IsSilentOn("fit", "no pixel");
    }

    [Fact]
    public void Images_of_another_size_than_their_annotations_are_problems()
    {
        using var folder = new TempFolder();
        Image(folder, "train/0");
        Image(folder, "train/1");
        Image(folder, "train/2", 40, 30);
        ImageObject[][] objects =
        [
            [Object(0, 0, 9, 9)],
            [Object(0, 0, 9, 9, mask: Mask(0, 0, 9, 9, 31, 40))],
            [],
        ];
        var report = Check(folder, new(), (_, _) => new ObjectBoxes(names, objects) { Sizes = [new(30, 40), null, new(30, 40)] });
        Assert.Equal(
            [
                $"{folder["train/1.png"]}: 40x30, and the annotations are for 40x31",
                $"{folder["train/2.png"]}: 30x40, and the annotations are for 40x30",
            ],
            report.Single(Severity.Problem, "2 of 3 images have another size than their annotations are for").Examples
        );
        // Without decoding, sizes of images are not known, and those of annotations are taken.
        report = Check(folder, new CheckOptions(Quick: true), (_, _) => new ObjectBoxes(
                names,
                [
                    [Object(29, 0, 9, 9)],
                    [],
                    [],
                ]
            )
            {
                Sizes = [new(30, 30), null, null],
            });
        report.IsSilentOn("another size");
        report.Single(Severity.Warning, "1 of 1 boxes reaches over the edge");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_image_with_a_mark_of_the_camera_has_the_size_that_training_sees(bool orient)
    {
        using var folder = new TempFolder();
        var jpeg = File.ReadAllBytes(Repository.Tests("samples", "images", "baseline.jpg"));
        var path = folder.Write("turned.jpg", TurnedJpeg.Of(jpeg));
        using var file = ImageFile.Open(path, orient);
        var (size, other) = (new ImageSize(file.Height, file.Width), new ImageSize(file.Width, file.Height));
        Assert.NotEqual(size, other);
        foreach (var (stated, count) in new[] { (size, 0), (other, 1) })
        {
            var boxes = new ObjectBoxes(
                names,
                [
                    [],
                ]
            )
            {
                Sizes = [stated],
            };
            Assert.Equal(count, new BoxSummary(Set(boxes), boxes, Scanned(Set(boxes))).Report().Unequal.Count);
            var maps = new LabelMaps(names, 1, _ => new(new byte[stated.Height * stated.Width], stated));
            Assert.Equal(count, new MapSummary(Set(maps), maps, Scanned(Set(maps).Part([0]))).Report().Unequal.Count);
        }

        FileImages Set(Annotations annotations) => new("turned", "train", [path], annotations) { Orient = orient };

        static IReadOnlyList<ScannedSample> Scanned(Dataset set) => new SampleScan(new(), null, default).Read([new("train", set)])[0];
    }

    [Fact]
    public void What_a_reader_has_found_is_said_once()
    {
        using var folder = new TempFolder();
        Image(folder, "train/0");
        var report = Check(folder, new(), (_, _) => new ObjectBoxes(
                names,
                [
                    [Object(0, 0, 9, 9)],
                ]
            )
            {
                Findings =
                [
                    new(true, "2 annotations have no category", ["a.json: annotation 3", "a.json: annotation 4"]),
                    new(false, "1 id is there twice", ["a.json: annotation 5"]),
                ],
            });
        Assert.Equal(
            ["a.json: annotation 3", "a.json: annotation 4"],
            report.Single(Severity.Problem, "2 annotations have no category").Examples
        );
        Assert.Equal("train", report.Single(Severity.Remark, "1 id is there twice").Split);
        Assert.Single(report.Of(Severity.Problem));
    }

    [Fact]
    public void The_same_image_with_other_objects_is_told_from_one_with_other_numbers()
    {
        using var folder = new TempFolder();
        Image(folder, "train/0");
        File.Copy(folder["train/0.png"], folder.Write("val/1.png", ""), overwrite: true);
        var report = Check(folder, new(), (split, _) => new ObjectBoxes(
                names,
                [
                    [Object(0, 0, 9, 9, id: split.Length), Object(9, 9, 9, 9, 1)],
                ]
            ));
        Assert.Equal(["cat 1, dog 1", "cat 1, dog 1"], Assert.Single(report.Repeats).Samples.Select(sample => sample.Label));
        report.IsSilentOn("different classes");
        report = Check(folder, new(), (split, _) => new ObjectBoxes(
                names,
                [
                    [Object(0, 0, 9, 9, split == "val" ? 1 : 0)],
                ]
            ));
        report.Single(Severity.Warning, "1 image is there several times with different classes");
        // Each split has its own objects, though the file is the same.
        Assert.Equal([(1, 0), (0, 1)], report.Splits.Select(split => (split.Boxes!.Classes[0].Objects, split.Boxes.Classes[1].Objects)));
    }

    [Fact]
    public void The_answer_is_the_same_for_any_number_of_threads()
    {
        using var folder = new TempFolder();
        var random = new Random(4);
        ImageObject[][] objects =
        [
            .. Enumerable
                .Range(0, 40)
                .Select(_ =>
                    Enumerable
                        .Range(0, random.Next(4))
                        .Select(i => Object(random.Next(40), random.Next(30), random.Next(9), 9, random.Next(3), i, Mask(1, 1, 9, 9)))
                        .ToArray()
                ),
        ];
        string[] answers =
        [
            .. new[] { 1, 2, 5 }.Select(threads =>
                System.Text.Json.JsonSerializer.Serialize(Check(folder, new CheckOptions(Threads: threads), objects))
            ),
        ];
        Assert.Equal(answers[0], answers[1]);
        Assert.Equal(answers[0], answers[2]);
        Assert.Contains("\"Unfit\":[{", answers[0], StringComparison.Ordinal);
    }
}
