using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Text;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Batches that are made on a device, a GPU where there is one, are those of the workers.</summary>
public class DeviceBatchesTests
{
    private static readonly Device device = Cuda.IsAvailable ? Device.Cuda : Device.Cpu;

    private static MemoryImages Images(int count, int channels = 3, int height = 8, int width = 8, int classes = 5)
    {
        var pixels = new byte[count * channels * height * width];
        new Random(count).NextBytes(pixels);
        return new(
            "noise",
            "train",
            [.. Enumerable.Range(0, classes).Select(label => $"{label}")],
            [.. Enumerable.Range(0, count).Select(i => i * 3 % classes)],
            pixels,
            channels,
            height,
            width
        );
    }

    /// <summary>Two epochs of both, value by value.</summary>
    private static void Same(
        ImageDataset set,
        Pipeline pipeline,
        int batch = 6,
        bool dropLast = false,
        Sampler? sampler = null,
        Replica? replica = null,
        int skip = 0
    )
    {
        Loader New(Device? place) =>
            new(
                set,
                pipeline,
                new(batch)
                {
                    Seed = 11,
                    Shuffle = true,
                    DropLast = dropLast,
                    Workers = 0,
                    Sampler = sampler,
                    Replica = replica ?? Replica.Single,
                    Device = place,
                }
            );
        var (expected, found) = (New(null), New(device));
        Assert.Equal(expected.StepsPerEpoch, found.StepsPerEpoch);
        for (var epoch = 0; epoch < 2; epoch++)
        {
            using var scope = new Scope();
            Batch[] wanted = [.. expected.Epoch(epoch, skip)],
                made = [.. found.Epoch(epoch, skip)];
            Assert.Equal(wanted.Length, made.Length);
            foreach (var (a, b) in wanted.Zip(made))
                Same(a, b);
        }
    }

    private static void Same(Batch expected, Batch found)
    {
        Assert.Equal(expected.Indices, found.Indices);
        Assert.Equal(ClassTargets.Of(expected).Labels.ToArray<long>(), ClassTargets.Of(found).Labels.ToArray<long>());
        Assert.Equal(expected.Views.Single().Images!, found.Views.Single().Images!);
        Assert.Equal(
            (expected.GlobalCount, expected.IsPlaceholder, expected.Unreadable.Count),
            (found.GlobalCount, found.IsPlaceholder, found.Unreadable.Count)
        );
        Assert.Equal(ClassTargets.Of(expected).Soft?.ToArray<float>(), ClassTargets.Of(found).Soft?.ToArray<float>());
        Assert.Equal(expected.Inputs.Shape, found.Inputs.Shape);
        Assert.Equal(DType.Float32, found.Inputs.DType);
        Assert.True(found.Inputs.IsContiguous);
        Assert.Equal(expected.Inputs.ToArray<float>(), found.Inputs.ToArray<float>());
    }

    private static readonly Dictionary<string, Transform[]> moves = new()
    {
        ["nothing"] = [],
        ["padded crop"] = [new RandomCrop(Pad: 3)],
        ["mirrored crop"] = [new RandomCrop(Pad: 5, Mode: Padding.Reflect)],
        ["small crop"] = [new RandomCrop(Pad: 1, Size: 5, Fill: 77)],
        ["crop in the padding"] = [new RandomCrop(Pad: 6, Size: 3, Fill: 200)],
        ["mirrored crop in the padding"] = [new RandomCrop(Pad: 6, Size: 3, Mode: Padding.Reflect)],
        ["shift"] = [new RandomShift(2, Fill: 9)],
        ["shift out of the image"] = [new RandomShift(12)],
        ["flip"] = [new RandomHorizontalFlip()],
        ["flips"] = [new RandomHorizontalFlip(), new RandomVerticalFlip()],
        ["centre"] = [new CenterCrop(5)],
        ["larger centre"] = [new CenterCrop(11)],
        ["borders over borders"] =
        [
            new RandomCrop(Pad: 4, Fill: 1),
            new RandomHorizontalFlip(),
            new RandomShift(3, Fill: 2),
            new RandomVerticalFlip(),
            new RandomCrop(Pad: 4, Size: 12, Fill: 3),
        ],
        ["mirrored borders"] =
        [
            new RandomShift(3, Fill: 50),
            new RandomCrop(Pad: 4, Mode: Padding.Reflect),
            new RandomHorizontalFlip(),
            new RandomShift(2, Fill: 60),
        ],
        ["constant erasing"] = [new RandomCrop(Pad: 2), new RandomHorizontalFlip(), new RandomErasing(0.7, ErasingMode.Const)],
        ["erasing per channel"] = [new RandomErasing(0.7, ErasingMode.Rand)],
        ["erasing per value"] = [new RandomHorizontalFlip(), new RandomErasing(0.7)],
        ["erasing over erasing"] =
        [
            new RandomErasing(0.8, Count: 3, MinArea: 0.3),
            new RandomErasing(0.8, ErasingMode.Const),
            new RandomErasing(0.8, ErasingMode.Rand),
        ],
    };

    public static TheoryData<string> Moves => [.. moves.Keys];

    [Theory]
    [MemberData(nameof(Moves))]
    public void Moved_erased_and_normalised_images_are_equal(string name)
    {
        var transforms = moves[name];
        Same(Images(41), new(transforms));
        Same(Images(13, channels: 1, height: 7, width: 10), new(transforms, new Normalization([0.3f], [0.7f])), batch: 4);
    }

    private static readonly Dictionary<string, Transform[]> mixes = new()
    {
        ["mixup"] = [new Mixup()],
        ["mixup per pair"] = [new Mixup(Mode: MixMode.Pair, Probability: 0.6)],
        ["mixup per image"] = [new Mixup(Mode: MixMode.Elem, Probability: 0.6)],
        ["mixup that ends"] = [new Mixup(Epochs: 1), new LabelSmoothing()],
        ["cutmix"] = [new CutMix()],
        ["cutmix per image"] = [new CutMix(Mode: MixMode.Elem, Probability: 0.6)],
        ["cutmix of given sides"] = [new CutMix(MinSide: 0.2, MaxSide: 0.8, Mode: MixMode.Pair)],
        ["both"] = [new Mixup(), new CutMix(), new LabelSmoothing()],
        ["both per image"] = [new Mixup(Mode: MixMode.Elem), new CutMix(), new LabelSmoothing(0.2)],
        ["all"] =
        [
            new RandomCrop(Pad: 2),
            new RandomHorizontalFlip(),
            new RandomErasing(0.5),
            new Mixup(Mode: MixMode.Pair, Switch: 0.4),
            new CutMix(),
            new LabelSmoothing(),
        ],
        ["smoothing"] = [new LabelSmoothing()],
    };

    public static TheoryData<string> Mixes => [.. mixes.Keys];

    [Theory]
    [MemberData(nameof(Mixes))]
    public void Mixed_batches_are_equal_in_one_process_and_in_each_of_several(string name)
    {
        var transforms = mixes[name];
        foreach (var batch in (int[])[1, 6, 7])
            Same(Images(41), new(transforms), batch);
        for (var rank = 0; rank < 3; rank++)
            Same(Images(29), new(transforms), 7, replica: new(rank, 3));
    }

    [Fact]
    public void Every_sampler_every_share_and_every_subset_is_kept_to()
    {
        var pipeline = new Pipeline([new RandomCrop(Pad: 2), new RandomHorizontalFlip()]);
        Same(Images(600), pipeline, 50, sampler: new RepeatedAugmentation(3));
        Same(Images(40), pipeline, 7, sampler: new InOrder());
        Same(Images(40), pipeline, 7, dropLast: true);
        Same(Images(40).Part([.. Enumerable.Range(3, 30)]).Part([7, 5, 29, 0, 11, 11]), pipeline, 4);
        // Of the last batch, of a single pair, a process gets nothing.
        for (var rank = 0; rank < 4; rank++)
            Same(Images(22), pipeline, 10, replica: new(rank, 4));
        // More images than are brought to the device at a time.
        Same(Images(2100, channels: 1, height: 2, width: 3), pipeline, 100);
    }

    [Fact]
    public void Sizes_paddings_and_batches_do_not_matter() =>
        Prop.ForAll(
                Gen.Choose(1, 9)
                    .Two()
                    .Zip(Gen.Choose(0, 10).Two())
                    .Zip(Gen.Choose(1, 9).Two())
                    .Zip(Gen.Elements(false, true).Two())
                    .ToArbitrary(),
                draw =>
                {
                    var ((((height, width), (pad, shift)), (batch, count)), (mirror, flip)) = draw;
                    Transform[] transforms =
                    [
                        new RandomCrop(pad, Fill: 30, Mode: mirror ? Padding.Reflect : Padding.Constant),
                        new RandomShift(shift, Fill: 40),
                        .. flip ? [new RandomHorizontalFlip()] : Array.Empty<Transform>(),
                    ];
                    Same(Images(count * 2, 2, height, width), new(transforms), batch);
                    Same(
                        Images(count * 2, 2, height, width),
                        new([.. transforms, new RandomErasing(0.5, Count: 2), new Mixup(Mode: MixMode.Elem), new CutMix()]),
                        batch
                    );
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void An_epoch_can_be_entered_in_its_middle_by_any_number_of_workers()
    {
        var pipeline = new Pipeline([new RandomCrop(Pad: 2), new RandomErasing(0.5), new Mixup()]);
        for (var skip = 0; skip <= 7; skip++)
            Same(Images(41), pipeline, skip: skip);
        float[][] Run(int workers)
        {
            using var scope = new Scope();
            return [.. new Loader(
                    Images(41),
                    pipeline,
                    new(6)
                    {
                        Seed = 2,
                        Shuffle = true,
                        Workers = workers,
                        Device = device,
                    }
                ).Epoch(3, 2).Select(batch => batch.Inputs.ToArray<float>())];
        }
        Assert.Equal(Run(0), Run(3));
    }

    [Fact]
    public void Nothing_but_the_batch_stays_when_one_is_made()
    {
        var loader = new Loader(
            Images(40),
            new([new RandomCrop(Pad: 2), new RandomErasing(1), new Mixup(Mode: MixMode.Elem), new CutMix()]),
            new(8) { Workers = 0, Device = device }
        );
        var before = LiveTensors.Settled();
        foreach (var batch in loader.Epoch(0))
        {
            // The collector may come by at any time, and finds nothing.
            Torch.Collect();
            Assert.Equal(before + 3, Tensor.LiveCount);
            batch.Dispose();
        }
        Assert.Equal(before, Tensor.LiveCount);
        GC.KeepAlive(loader);
    }

    [Theory]
    [InlineData("rand_augment")]
    [InlineData("auto_augment")]
    [InlineData("three_augment")]
    [InlineData("color_jitter")]
    [InlineData("random_grayscale")]
    [InlineData("random_solarize")]
    [InlineData("gaussian_blur")]
    [InlineData("to_color")]
    [InlineData("resize", 32)]
    [InlineData("squash", 32)]
    [InlineData("random_resized_crop")]
    [InlineData("evaluation_crop")]
    [InlineData("resize_within", 32)]
    [InlineData("resize_to_multiple")]
    [InlineData("random_scale")]
    [InlineData("random_dense_crop", 32)]
    [InlineData("random_resize", new[] { 32 })]
    [InlineData("random_size_crop")]
    [InlineData("large_scale_jitter")]
    [InlineData("pad")]
    [InlineData("photometric_distortion")]
    [InlineData("pad_batch")]
    public void A_transform_that_works_on_the_processor_only_is_named(string name, params object[] first)
    {
        var kind = TransformRegistry.Kinds[name];
        var transform = kind.Create([.. kind.Fields.Select((field, i) => i < first.Length ? first[i] : field.DefaultValue)]);
        var expected =
            $"{name} works on the processor only; on a device there are center_crop, cutmix, label_scale, label_smoothing, mixup, "
            + "random_crop, random_erasing, random_horizontal_flip, random_shift, random_vertical_flip";
        Assert.Equal(expected, DeviceBatches.Obstacle([new RandomHorizontalFlip(), transform, new Mixup()]));
        Assert.Equal(
            $"noise: {expected}",
            Assert.Throws<DataException>(() => new Loader(Images(3), new([transform]), new(2) { Device = device })).Message
        );
    }

    [Fact]
    public void Images_in_files_and_texts_are_refused()
    {
        Assert.Contains(
            "decoded from files",
            new FileImages("files", "train", ["a"], ["a.png"], [0]).DeviceObstacle(Pipeline.Plain),
            StringComparison.Ordinal
        );
        var texts = new TextDataset("texts", "train", ["a word"], new ClassLabels(["a"], [0]));
        Assert.Equal(
            "only images lie on a device",
            new EncodedText(texts, Vocabulary.Build(texts.Texts, 1, 100), 4).DeviceObstacle(Pipeline.Plain)
        );
        Assert.Null(Images(1).DeviceObstacle(new([new RandomCrop(), new RandomErasing(), new CutMix()])));
    }
}
