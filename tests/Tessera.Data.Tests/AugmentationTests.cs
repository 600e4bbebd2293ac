using System.Reflection;
using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

public class AugmentationTests
{
    private static SampleRandom random = new(11, 0, 0);

    [Fact]
    public void Every_transform_of_the_registry_can_be_made_from_its_defaults_and_names_are_snake_case()
    {
        foreach (var kind in TransformRegistry.Kinds.Values)
        {
            Assert.Matches("^[a-z_]+$", kind.Name);
            Assert.NotEmpty(kind.Summary);
            var transform = kind.Create([.. kind.Fields.Select(field => Value(field, 4))]);
            Assert.Equal(kind.Type, transform.GetType());
        }
    }

    private static object? Value(ParameterInfo field, int size) =>
        field.HasDefaultValue ? field.DefaultValue
        : field.ParameterType == typeof(int) ? size
        : field.ParameterType == typeof(IReadOnlyList<int>) ? new[] { size, 2 * size }
        : new Transform[][] { [new RandomHorizontalFlip(1)], [new CenterCrop(size), new RandomGrayscale()] };

    [Fact]
    public void Any_chain_of_image_transforms_works_on_any_image_and_depends_on_its_key_alone()
    {
        var kinds = TransformRegistry
            .Kinds.Values.Where(kind => kind.Type.IsSubclassOf(typeof(ImageTransform)) && kind.Name is not ("random_crop" or "resize"))
            .ToArray();
        Prop.ForAll(Gen.Choose(0, kinds.Length - 1).ArrayOf(4).Zip(Gen.Choose(1, 40).Two()).Zip(Gen.Elements(1, 3)).ToArbitrary(), draw =>
            {
                var ((chosen, (height, width)), channels) = draw;
                ImageTransform[] chain =
                [
                    .. chosen.Select(i => (ImageTransform)kinds[i].Create([.. kinds[i].Fields.Select(field => Value(field, 5))])),
                ];
                var results = Enumerable
                    .Range(0, 2)
                    .Select(_ =>
                    {
                        var canvas = MadeUp.CanvasOf(MadeUp.NoiseImage(channels, height, width));
                        var own = new SampleRandom(1, 2, (long)height * 41 + width);
                        foreach (var transform in chain)
                            transform.Apply(canvas, ref own);
                        return canvas.Image.Values.ToArray();
                    })
                    .ToArray();
                Assert.NotEmpty(results[0]);
                Assert.Equal(results[0], results[1]);
            })
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Policies_are_taken_apart_as_timm_writes_them()
    {
        var policy = AugmentPolicy.Parse("rand-m9-mstd0.5-inc1");
        Assert.Equal(
            (9.0, 0.5, true, 2, 0.5, 10.0),
            (policy.Magnitude, policy.Deviation, policy.Increasing, policy.Operations, policy.Probability, policy.MagnitudeLimit)
        );
        Assert.True(AugmentPolicy.Parse("rand-inc0").Increasing);
        Assert.True(double.IsPositiveInfinity(AugmentPolicy.Parse("rand-m9-mstd101").Deviation));
        Assert.Equal(
            (3, 0.75, 12.5),
            (
                AugmentPolicy.Parse("rand-n3-p0.75-mmax12.5").Operations,
                AugmentPolicy.Parse("rand-p0.75").Probability,
                AugmentPolicy.Parse("rand-mmax12.5").MagnitudeLimit
            )
        );
        Assert.Contains(
            "'q7' is not understood",
            Assert.Throws<DataException>(() => AugmentPolicy.Parse("rand-q7")).Message,
            StringComparison.Ordinal
        );
        Assert.Contains("no table 'cifar'", Assert.Throws<DataException>(() => new AutoAugment("cifar")).Message, StringComparison.Ordinal);
        Assert.Contains(
            "must start with 'rand'",
            Assert.Throws<DataException>(() => new RandAugment("original")).Message,
            StringComparison.Ordinal
        );
        Assert.Equal(new AutoAugment("cifar10"), new AutoAugment("cifar10"));
        Assert.Equal(new RandAugment(), new RandAugment());
        Assert.Equal(
            (1, 3.0),
            (new RandAugment(Ops: 1, Magnitude: 3).Effective.Operations, new RandAugment(Magnitude: 3).Effective.Magnitude)
        );
    }

    [Fact]
    public void Any_policy_string_is_a_policy_or_an_error_of_one_line() =>
        Prop.ForAll(
                Gen.Elements("rand", "-", "m", "9", "mstd", "0.5", "inc", "1", "t3a", "", "é", "\n", "1e9").ArrayOf().ToArbitrary(),
                parts =>
                {
                    try
                    {
                        Assert.NotNull(AugmentPolicy.Parse(string.Concat(parts)));
                    }
                    catch (DataException)
                    {
                        // What is not understood.
                    }
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Rand_augment_leaves_a_quarter_of_images_alone_with_two_operations_at_one_half()
    {
        // An image on which every operation at full strength shows.
        var image = MadeUp.NoiseImage(3, 16, 16);
        for (var i = 0; i < image.Values.Length; i++)
            image.Values[i] = (byte)(40 + image.Values[i] / 2);
        var unchanged = 0;
        for (var i = 0; i < 4000; i++)
        {
            var canvas = MadeUp.CanvasOf(image);
            new RandAugment("rand-m9-inc1").Apply(canvas, ref random);
            if (canvas.Image.Values.SequenceEqual(image.Values))
                unchanged++;
        }
        Assert.InRange(unchanged / 4000.0, 0.22, 0.31);
    }

    [Fact]
    public void Erased_areas_have_the_shares_and_frequency_asked_for()
    {
        var (erased, total) = (0, 0.0);
        const int side = 64;
        for (var i = 0; i < 4000; i++)
        {
            var image = new float[3 * side * side];
            Array.Fill(image, 9);
            new RandomErasing(0.25, ErasingMode.Const).Apply(image, 3, side, side, ref random);
            var share = image.Count(value => value == 0) / (float)image.Length;
            if (share == 0)
                continue;
            Assert.InRange(share, 0.017, 0.35);
            erased++;
            total += share;
        }
        Assert.InRange(erased, 900, 1100);
        // Large flat boxes do not fit, so the mean lies a little below the middle.
        Assert.InRange(total / erased, 0.14, 0.185);
    }

    [Fact]
    public void Erasing_by_pixels_is_normal_noise()
    {
        var values = new List<float>();
        for (var i = 0; i < 200; i++)
        {
            var image = new float[32 * 32];
            Array.Fill(image, 99);
            new RandomErasing(1).Apply(image, 1, 32, 32, ref random);
            values.AddRange(image.Where(value => value != 99));
        }
        Assert.Equal(0, values.Average(), 0.03);
        Assert.Equal(1, Math.Sqrt(values.Average(value => value * value)), 0.03);
    }

    [Fact]
    public void Resized_crops_cover_the_shares_asked_for()
    {
        var shares = new List<double>();
        for (var i = 0; i < 3000; i++)
        {
            var image = new Raster(1, 100, 100);
            for (var p = 0; p < 10_000; p++)
                image.Values[p] = (byte)(p / 100);
            var canvas = MadeUp.CanvasOf(image);
            new RandomResizedCrop(100, Interpolation: Interpolation.Nearest).Apply(canvas, ref random);
            shares.Add((canvas.Image.Row(0, 99)[0] - canvas.Image.Row(0, 0)[0] + 1) / 100.0);
        }
        // Heights: the square root of shares from 0.08 to 1, times that of ratios around 1, as far as they fit: 0.6719 by simulation.
        Assert.Equal(0.672, shares.Average(), 0.015);
        Assert.InRange(shares.Min(), 0.2, 0.35);
        Assert.InRange(shares.Max(), 0.98, 1);
    }

    [Fact]
    public void Mixed_targets_add_up_to_one_and_name_what_is_in_the_image() =>
        Prop.ForAll(
                Gen.Elements(MixMode.Batch, MixMode.Pair, MixMode.Elem).Zip(Gen.Choose(1, 9)).Zip(Gen.Choose(0, 1000)).ToArbitrary(),
                draw =>
                {
                    var ((mode, count), seed) = draw;
                    var mixing = Mixing.Of([new Mixup(Mode: mode), new CutMix(), new LabelSmoothing(0.1)])!;
                    var own = new SampleRandom((ulong)seed, 0, 0);
                    var plan = mixing.Plan(count, 8, 8, 0, ref own);
                    // Image i is i everywhere: the mean tells the shares.
                    var images = Enumerable.Range(0, count).SelectMany(i => Enumerable.Repeat((double)i, 64)).ToArray();
                    Mixing.Apply(images.AsSpan(), plan, 8, 8);
                    var targets = ClassLabels.Mixed([.. Enumerable.Range(0, count)], new(plan, mixing.Smoothing), 10);
                    for (var i = 0; i < count; i++)
                    {
                        var row = targets.AsSpan(i * 10, 10).ToArray();
                        Assert.Equal(1, row.Sum(), 1e-5);
                        Assert.Equal(
                            images.AsSpan(i * 64, 64).ToArray().Average(),
                            (row.Select((value, c) => (value - 0.01) * c).Sum()) / 0.9,
                            1e-4
                        );
                    }
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Mixing_ends_after_its_epochs_and_switches_half_of_the_time()
    {
        var mixing = Mixing.Of([new Mixup(Epochs: 2), new CutMix()])!;
        var boxes = 0;
        for (var i = 0; i < 2000; i++)
            boxes += mixing.Plan(2, 8, 8, 1, ref random)[0].Box is null ? 0 : 1;
        Assert.InRange(boxes, 900, 1100);
        Assert.All(mixing.Plan(4, 8, 8, 2, ref random), mix => Assert.Equal(Mix.None, mix));
        Assert.Null(Mixing.Of([]));
        Assert.Contains(
            "augment: mixup is there twice",
            Assert.Throws<DataException>(() => new Pipeline([new Mixup(), new Mixup()])).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Mixed_batches_do_not_depend_on_workers()
    {
        var pipeline = new Pipeline([new RandAugment(), new RandomErasing(0.5), new Mixup(), new CutMix(), new LabelSmoothing()]);
        var runs = new[] { 0, 3 }
            .Select(workers =>
            {
                var values = new List<float>();
                foreach (
                    var batch in new Loader(
                        MadeUp.Noise(33, side: 12),
                        pipeline,
                        new(8)
                        {
                            Seed = 4,
                            Shuffle = true,
                            Workers = workers,
                        }
                    ).Epoch(1)
                )
                    using (batch)
                    {
                        values.AddRange(batch.Inputs.ToArray<float>());
                        values.AddRange(ClassTargets.Of(batch).Soft!.ToArray<float>());
                    }
                return values;
            })
            .ToArray();
        Assert.Equal(runs[0], runs[1]);
    }

    [Fact]
    public void Repeated_augmentation_gives_each_copy_its_own_draws()
    {
        var set = MadeUp.Noise(300, side: 8);
        var loader = new Loader(set, new Pipeline([new RandomCrop(Pad: 4)]), new(3) { Seed = 1, Sampler = new RepeatedAugmentation(3) });
        Assert.Equal(86, loader.StepsPerEpoch);
        var different = 0;
        foreach (var batch in loader.Epoch(0).Take(20))
            using (batch)
            {
                Assert.Single(batch.Indices.Distinct());
                var values = batch.Inputs.ToArray<float>();
                if (!values.AsSpan(0, 192).SequenceEqual(values.AsSpan(192, 192)))
                    different++;
            }
        Assert.InRange(different, 17, 20);
    }
}
