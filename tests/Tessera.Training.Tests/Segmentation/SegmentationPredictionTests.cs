using Tessera.Data.Formats;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

/// <summary>What a segmenter says of images of any size, and at which size it is measured.</summary>
[Collection("engine")]
public sealed class SegmentationPredictionTests : IDisposable
{
    private static readonly string[] names = ["road", "tree & bush", "sky"];

    private readonly TempFolder folder = new();
    private readonly Scope scope = new();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static ModelBundle Bundle(SegmentationTask task, params Transform[] transforms)
    {
        Torch.Seed(7);
        var spec = new ModelSpec("mit_micro_32", new() { Classes = names.Length }, new SegFormerOptions(8));
        var model = spec.Create();
        model.Eval();
        var facts = new SegmentationFacts(names, 3, null, null, [0.5f, 0.5f, 0.5f], [0.2f, 0.2f, 0.2f], ["#804080", "#6b8e23", "#4682b4"]);
        return new(model, new(spec, task, facts, new EvaluationTransforms(transforms), Precision.Fp32), "test");
    }

    private string Photo(string name, int height, int width, int seed = 1)
    {
        var random = new Random(seed);
        var pixels = new byte[3 * height * width];
        // Areas, not noise: the classes form areas too.
        for (var i = 0; i < height * width; i++)
        for (var c = 0; c < 3; c++)
            pixels[3 * i + c] = (byte)((i / width / 9 * 67 + i % width / 11 * (31 + 40 * c)) % 200 + random.Next(50));
        return folder.Write(name, Pnm.Pixels(width, height, pixels));
    }

    // The likeliest class of each pixel, up to rounding.
    private static void Chosen(Tensor scores, LabelMap map)
    {
        Assert.Equal((scores.Size(2), scores.Size(3)), (map.Size.Height, map.Size.Width));
        var chosen = scores.Gather(1, Tensor.From(map.Ids, 1, 1, map.Size.Height, map.Size.Width).To(DType.Int64));
        var missing = (scores.Amax([1], true) - chosen).Max().ToDouble();
        Assert.InRange(missing, 0, 1e-5);
        // A map of one class would pass with any scores.
        Assert.True(map.Ids.Distinct().Count() > 1);
    }

    [Fact]
    public void An_image_that_was_resized_is_answered_at_its_original_size()
    {
        var bundle = Bundle(new(), new ResizeWithin(40), new ResizeToMultiple(32));
        var file = Photo("photo.ppm", 75, 98);
        var found = (SegmentationPrediction)bundle.Predict(file);
        using var outside = Torch.NoGrad();
        var input = bundle.Read([file]).Single().Read().Inputs;
        Assert.Equal(new Shape(1, 3, 64, 64), input.Shape);
        var scores = bundle.Model.Call(input).UpsampleBilinear2d((64, 64), false).UpsampleBilinear2d((75, 98), false);
        Chosen(scores, found.Map);
        Assert.Equal("share", found.Measure);
        Assert.Equal(1, found.Classes.Sum(one => one.Probability), 1e-9);
        Assert.Equal(found.Classes.OrderByDescending(one => one.Probability), found.Classes);
        Assert.All(found.Classes, one =>
            Assert.Equal(found.Map.Ids.Count(id => id == one.Label) / (double)found.Map.Ids.Length, one.Probability, 1e-9)
        );
        Assert.Empty(found.Remarks);
        using var image = Image.Open(file);
        Assert.Equal(found.Map.Ids, ((SegmentationPrediction)bundle.Predict(image)).Map.Ids);
    }

    [Fact]
    public void Windows_are_normalized_one_by_one_and_give_the_naive_result()
    {
        var bundle = Bundle(new(SegmentationMode.Slide, Crop: [32], Stride: [20]));
        var file = Photo("photo.ppm", 75, 98);
        var windows = 0;
        var found = (SegmentationPrediction)bundle.Predict(file, predict: input =>
            {
                windows++;
                Assert.Equal(new Shape(1, 3, 32, 32), input.Shape);
                return bundle.Model.Call(input);
            });
        using var outside = Torch.NoGrad();
        var sliding = new SlidingWindow((32, 32), (20, 20));
        Assert.Equal(sliding.Windows(75, 98).Count, windows);
        Chosen(sliding.Scores(bundle.Read([file]).Single().Read().Inputs, bundle.Model.Call), found.Map);
    }

    [Fact]
    public void Flips_and_scales_are_averaged_at_the_original_size()
    {
        var bundle = Bundle(new(Scales: [0.5, 1], Flip: true), new Squash(32));
        var file = Photo("photo.ppm", 41, 50);
        using var outside = Torch.NoGrad();
        var input = bundle.Read([file]).Single().Read().Inputs;
        var mean = new MultiScale([0.5, 1]).Probabilities(input, bundle.Model.Call).Log().UpsampleBilinear2d((41, 50), false);
        Chosen(mean, ((SegmentationPrediction)bundle.Predict(file)).Map);
    }

    [Fact]
    public void What_a_crop_leaves_out_has_no_class_and_is_said()
    {
        var bundle = Bundle(new(), new CenterCrop(32));
        var found = (SegmentationPrediction)bundle.Predict(Photo("photo.ppm", 64, 64));
        for (var y = 0; y < 64; y++)
        for (var x = 0; x < 64; x++)
            Assert.Equal(y is >= 16 and < 48 && x is >= 16 and < 48, found.Map.Ids[y * 64 + x] != LabelMap.Ignored);
        Assert.Equal(1, found.Classes.Sum(one => one.Probability), 1e-9);
        Assert.Contains("evaluation.transforms cut off 75.0 % of the pixels", Assert.Single(found.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void Large_images_are_segmented_in_windows_unless_one_asks_otherwise()
    {
        var model = (Segmenter)Bundle(new()).Model;
        Assert.Null(new SegmentationInference(new(), model).Window(256, 320));
        Assert.Equal((1024, 1024), new SegmentationInference(new(), model).Window(4096, 4097)!.Crop);
        Assert.Null(new SegmentationInference(new(SegmentationMode.Whole), model).Window(4096, 4097));
        Assert.Equal((48, 64), new SegmentationInference(new(Crop: [48, 64]), model).Window(4096, 4097)!.Crop);
    }

    // The float image alone would take four times the bytes of the pixels, and the scores of all pixels as much for three classes.
    [Fact]
    public void A_large_image_takes_the_memory_of_its_bytes_and_of_a_band_of_scores()
    {
        const int height = 3000,
            width = 4000,
            crop = 256;
        var bundle = Bundle(new(SegmentationMode.Slide, Crop: [crop], Stride: [crop]));
        var file = folder.Write("large.ppm", Pnm.Pixels(width, height, new byte[3 * height * width]));
        var answer = Torch.Zeros([1, 3, 4, 4]);
        answer.Slice(1, 2).Fill_(1);
        long first = 0,
            most = 0;
        var found = (SegmentationPrediction)bundle.Predict(file, predict: _ =>
            {
                // The bytes of the image are there with the first window.
                first = first == 0 ? Environment.WorkingSet : first;
                most = Math.Max(most, Environment.WorkingSet);
                return answer;
            });
        Assert.Equal("sky", Assert.Single(found.Classes).Class);
        const long sums = 3L * crop * width * sizeof(float),
            map = height * width,
            slack = 40 << 20;
        Assert.InRange(most - first, 0, sums + map + slack);
        Assert.True(sums + map + slack < 4L * 3 * height * width);
    }

    [Fact]
    public void Pictures_hold_the_classes_in_the_colours_of_the_data()
    {
        var bundle = Bundle(new(), new CenterCrop(32));
        var file = Photo("photo.ppm", 40, 64);
        var sample = bundle.Read([file]).Single();
        var found = (SegmentationPrediction)bundle.Predict(sample);
        var pictures = bundle.Draw(found, sample).ToDictionary(picture => picture.Suffix, picture => picture.File);
        Assert.Equal(bundle.Task.PictureSuffixes.Order(), pictures.Keys.Order());

        var map = folder.Write("photo.png", pictures[".png"]);
        var head = LabelFile.Head(map);
        Assert.Equal((LabelFileKind.Palette, found.Map.Size), (head.Kind, head.Size));
        Assert.Equal(
            [(0x80, 0x40, 0x80), (0x6b, 0x8e, 0x23), (0x46, 0x82, 0xb4)],
            head.Palette!.Take(3).Select(color => ((int)color.R, (int)color.G, (int)color.B))
        );
        Assert.Equal(256, head.Palette!.Count);
        Assert.Equal(
            found.Map.Ids.GroupBy(id => (int)id).OrderBy(group => group.Key).Select(group => (group.Key, (long)group.Count())),
            LabelFile.Raw(map).Counts.Select(entry => (entry.Key, entry.Value))
        );

        // Magnified five times, and as much of the legend below.
        using var overlay = Image.Decode(pictures["_overlay.png"]);
        Assert.True(overlay.Width >= 320 && overlay.Height > 200, $"{overlay.Height}x{overlay.Width}");
        using var original = Image.Open(file);
        var (drawn, seen) = (overlay.ToTensor(), original.ToTensor());
        // A pixel without a class is the image's, another is mixed with the colour of its class.
        Near.Equal(seen.Select(1, 1).Select(1, 1), drawn.Select(1, 7).Select(1, 7));
        var (r, g, b) = head.Palette![found.Map.Ids[20 * 64 + 30]];
        Near.Equal(
            seen.Select(1, 20).Select(1, 30) * 0.45 + Tensor.From([r / 255f, g / 255f, b / 255f]) * 0.55,
            drawn.Select(1, 102).Select(1, 152),
            3e-3
        );
    }

    [Theory]
    [InlineData("#12345", "the palette holds '#12345': a colour must be #rrggbb")]
    [InlineData(null, "the palette must have a colour for each of 1 classes, not 0")]
    public void A_palette_has_a_colour_for_every_class(string? color, string expected) =>
        Assert.Equal(
            expected,
            Assert
                .Throws<ArgumentException>(() => new SegmentationFacts(["a"], 1, null, null, [0], [1], color is null ? [] : [color]))
                .Message
        );

    // Images of different sizes and shapes, whose maps are noise: a pixel more or less changes every count.
    private FileImages Photos(int count)
    {
        var (files, maps) = (new string[count], new LabelMap[count]);
        for (var i = 0; i < count; i++)
        {
            var size = new ImageSize(40 + 7 * (i % 5), 60 - 5 * (i % 4));
            files[i] = Photo($"{i}.ppm", size.Height, size.Width, i);
            var random = new Random(100 + i);
            maps[i] = new(
                [.. Enumerable.Range(0, size.Height * size.Width).Select(p => p % 13 == 0 ? LabelMap.Ignored : (byte)random.Next(3))],
                size
            );
        }
        return new("photos", "test", files, new LabelMaps(names, count, i => maps[i]));
    }

    private static SegmentationMetrics Measure(ModelBundle bundle, FileImages data, int batch) =>
        (SegmentationMetrics)new BundleMeasurement(bundle, data, batch, new(0)).Run();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Images_are_measured_at_their_original_size_whatever_their_batch(bool resized)
    {
        var bundle = resized ? Bundle(new(), new ResizeWithin(32)) : Bundle(new());
        var data = Photos(6);
        var expected = new PixelConfusion(names.Length);
        var maps = (LabelMaps)data.Annotations;
        for (var i = 0; i < data.Count; i++)
            expected.Add(Pixels(((SegmentationPrediction)bundle.Predict(data.SampleName(i))).Map), Pixels(maps[i]));
        var (alone, together) = (Measure(bundle, data, 1), Measure(bundle, data, 4));
        Assert.Equal(expected.Measure().Confusion, alone.Scores.Confusion);
        Assert.Equal(alone.Scores.Confusion, together.Scores.Confusion);
        Assert.Equal(alone.Loss, together.Loss, 1e-5);
        Assert.Equal(Enumerable.Range(0, data.Count).Sum(i => maps[i].Ids.Count(id => id != LabelMap.Ignored)), alone.Scores.Labels.Sum());

        static Tensor Pixels(LabelMap map) => Tensor.From(map.Ids, map.Size.Height, map.Size.Width);
    }

    [Fact]
    public void Maps_of_a_scale_of_their_own_are_the_measure_where_they_are_asked_for()
    {
        var bundle = Bundle(new(), new Squash(32), new LabelScale(4));
        Assert.Equal(5 * 64, Measure(bundle, Photos(5), 2).Scores.Labels.Sum() + Ignored(Photos(5)));

        static long Ignored(FileImages data) =>
            new Loader(data, new Pipeline([new Squash(32), new LabelScale(4)]), new(5) { Workers = 0 })
                .Epoch(0)
                .Sum(batch => MaskTargets.Of(batch).Ids.Eq(LabelMap.Ignored).Sum().ToInt64());
    }

    // Of an image, its figures stay: some bytes, however large it is.
    [Fact]
    public void Measuring_keeps_nothing_of_an_image_but_its_figures()
    {
        var bundle = Bundle(new(), new Squash(32));
        var evaluator = bundle.Task.CreateEvaluator(bundle.Model, bundle.Facts);
        var data = Photos(1);
        var loader = new Loader(data, bundle.PipelineFor(), new(1) { Workers = 0 });
        void Add(int times)
        {
            for (var i = 0; i < times; i++)
            {
                using var inside = new Scope();
                evaluator.Add(loader.Epoch(i).Single());
            }
        }
        Add(10);
        var (tensors, bytes) = (LiveTensors.Settled(), GC.GetTotalMemory(forceFullCollection: true));
        Add(190);
        Assert.Equal(0, LiveTensors.Settled() - tensors);
        // A map of an image has 2400 bytes. What else the process does meanwhile is counted too.
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - bytes, long.MinValue, 190 * 1200);
        Assert.Equal(200, evaluator.Measure().Count);
    }
}
