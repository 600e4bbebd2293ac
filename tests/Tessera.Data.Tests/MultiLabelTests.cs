using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Text;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

/// <summary>Any number of classes per sample: as annotations, and as targets of batches.</summary>
public sealed class MultiLabelTests
{
    private static readonly string[] names = ["cat", "dog", "car"];

    private static MemoryImages Set(params int[][] labels) =>
        new("set", "train", new MultiLabels(names, labels, "set (train)"), new byte[labels.Length * 4], 1, 2, 2);

    [Fact]
    public void Batches_hold_one_for_every_class_that_is_present()
    {
        using var scope = new Scope();
        var set = Set([2, 0], [], [1], [0, 1, 2]);
        var batch = new Loader(set, Pipeline.Plain, new(4) { Workers = 0 }).Epoch(0).Single();
        var targets = MultiLabelTargets.Of(batch);
        Assert.Equal((4, DType.Float32), (targets.Count, targets.Hot.DType));
        Assert.Equal([1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1], targets.Hot.ToArray<float>());
        Assert.Equal([0, 0, 0, 0, 1, 0], MultiLabelTargets.Of(batch.Slice(1, 2)).Hot.ToArray<float>());
        Assert.Same(targets.Hot, Assert.Single(targets.Tensors));
        Assert.Contains(
            "one class per sample is needed, and the batch has MultiLabelTargets",
            Assert.Throws<DataException>(() => ClassTargets.Of(batch)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Annotations_say_what_each_sample_has()
    {
        var labels = MultiLabels.Of(Set([2, 0], [], [1], [0, 1, 2]));
        Assert.Equal([0, 2], labels[0].ToArray());
        Assert.Empty(labels[1].ToArray());
        Assert.Equal([2, 2, 2], labels.SamplesPerClass);
        Assert.Equal(["0 2", "", "1", "0 1 2"], Enumerable.Range(0, 4).Select(labels.Describe));
        var part = labels.Part([3, 1]);
        Assert.Equal([0, 1, 2], part[0].ToArray());
        Assert.Empty(part[1].ToArray());
        Assert.Equal([1, 1, 1], part.SamplesPerClass);
        Assert.Equal(
            "numbered (train): a set of classes per sample is needed, and the data set has ClassLabels",
            Assert.Throws<DataException>(() => MultiLabels.Of(MadeUp.Numbered(2))).Message
        );
    }

    [Fact]
    public void Classes_that_do_not_exist_or_come_twice_are_named()
    {
        Assert.Equal(
            "set (train): sample 1 has class 3, but there are 3 classes",
            Assert.Throws<DataException>(() => Set([0], [3])).Message
        );
        Assert.Equal(
            "set (train): sample 0 has class -1, but there are 3 classes",
            Assert.Throws<DataException>(() => Set([-1, 1])).Message
        );
        Assert.Equal("set (train): sample 1 names class 2 (car) twice", Assert.Throws<DataException>(() => Set([0], [2, 1, 2])).Message);
    }

    [Fact]
    public void A_sample_belongs_to_the_stratum_of_its_rarest_class()
    {
        // dog is in 4 samples, cat and car in 2.
        var set = Set([0, 1], [1, 2], [1], [1], [0, 2], [], []);
        Assert.Equal([0, 2, 1, 1, 0, 3, 3], Enumerable.Range(0, 7).Select(set.Annotations.StratumOf));
        Assert.Equal("the group of samples whose rarest class is 2 (car)", set.Annotations.StratumName(2));
        Assert.Equal("the group of samples without a class", set.Annotations.StratumName(3));
        var drawn = StratifiedSampling.Draw(set, 1, seed: 3);
        Assert.Equal([0, 1, 2, 3], drawn.Select(set.Annotations.StratumOf).Order());
        var (remaining, heldOut) = StratifiedSampling.Divide(Set([.. Enumerable.Range(0, 30).Select(i => (int[])[i % 3])]), 0.2, 1);
        Assert.Equal((24, 6), (remaining.Length, heldOut.Length));
    }

    [Fact]
    public void Mixed_targets_are_the_shares_of_both_samples()
    {
        var labels = new MultiLabels(
            names,
            [
                [0, 1],
                [1],
                [2],
            ]
        );
        // The second of three is its own partner.
        var hot = labels.Hot([0, 1, 2], new([new(0.75), new(0.5), new(0.25)], 0));
        Assert.Equal([0.75f, 0.75f, 0.25f, 0, 1, 0, 0.75f, 0.75f, 0.25f], hot);
    }

    [Fact]
    public void Smoothing_moves_every_target_towards_a_half()
    {
        var labels = new MultiLabels(
            names,
            [
                [0],
                [],
            ]
        );
        Assert.Equal([0.95f, 0.05f, 0.05f, 0.05f, 0.05f, 0.05f], labels.Hot([0, 1], new([Mix.None, Mix.None], 0.1)));
        Assert.Equal([1, 0, 0, 0, 0, 0], labels.Hot([0, 1]));
    }

    [Fact]
    public void Targets_of_a_loader_follow_its_mixing() =>
        Prop.ForAll(Gen.Choose(0, 7).ArrayOf(9).Zip(Gen.Choose(0, 1000)).Zip(Gen.Elements(0, 0.1)).ToArbitrary(), draw =>
            {
                using var scope = new Scope();
                var ((sets, seed), smoothing) = draw;
                int[][] labels = [.. sets.Select(bits => (int[])[.. Enumerable.Range(0, 3).Where(c => (bits >> c & 1) == 1)])];
                var mixing = new Mixup(Mode: MixMode.Elem);
                var pipeline = new Pipeline([mixing, new LabelSmoothing(smoothing)], new Normalization([0f], [1 / 255f]));
                // An image is its own number: the mean of what it is mixed to tells the share.
                var pixels = Enumerable.Range(0, 9).SelectMany(i => Enumerable.Repeat((byte)(i * 20), 4)).ToArray();
                var set = new MemoryImages("set", "train", new MultiLabels(names, labels), pixels, 1, 2, 2);
                var batch = new Loader(set, pipeline, new(9) { Seed = (ulong)seed, Workers = 0 }).Epoch(0).Single();
                var (inputs, hot) = (batch.Inputs.ToArray<float>(), MultiLabelTargets.Of(batch).Hot.ToArray<float>());
                for (var i = 0; i < 9; i++)
                {
                    var j = 8 - i;
                    var share = i == j ? 1 : (inputs[i * 4] - j * 20) / (i * 20 - j * 20);
                    for (var c = 0; c < 3; c++)
                    {
                        double Smoothed(int sample) => (labels[sample].Contains(c) ? 1 - smoothing : 0) + smoothing / 2;
                        Assert.Equal(share * Smoothed(i) + (1 - share) * Smoothed(j), hot[i * 3 + c], 1e-4);
                    }
                }
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Texts_can_have_several_classes_too()
    {
        using var scope = new Scope();
        var texts = new TextDataset(
            "texts",
            "train",
            ["a cat", "a dog and a car"],
            new MultiLabels(
                names,
                [
                    [0],
                    [1, 2],
                ]
            )
        );
        var loader = new Loader(new EncodedText(texts, Vocabulary.Build(texts.Texts), 4), Pipeline.Plain, new(2) { Workers = 0 });
        Assert.Equal([1, 0, 0, 0, 1, 1], MultiLabelTargets.Of(loader.Epoch(0).Single()).Hot.ToArray<float>());
    }
}
