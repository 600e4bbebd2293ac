using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Text;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Batches with several views of every sample, and samples without labels.</summary>
public sealed class ViewTests
{
    private static readonly Transform[] first = [new RandomCrop(Pad: 2), new RandomHorizontalFlip(), new RandomErasing(0.5)];
    private static readonly Transform[] second = [new RandomCrop(Pad: 1, Size: 5), new RandomVerticalFlip()];

    private static Batch[] Batches(Dataset set, Pipeline pipeline, int workers = 0, Replica? replica = null) =>
        [
            .. new Loader(
                set,
                pipeline,
                new(5)
                {
                    Seed = 3,
                    Shuffle = true,
                    Workers = workers,
                    Replica = replica ?? Replica.Single,
                }
            ).Epoch(1),
        ];

    [Fact]
    public void Each_view_is_drawn_by_itself_and_the_first_is_that_of_a_pipeline_with_one_view()
    {
        using var scope = new Scope();
        var set = MadeUp.Noise(23);
        var several = Batches(set, Pipeline.OfViews([first, second, first]));
        foreach (var (batch, alone) in several.Zip(Batches(set, new Pipeline(first))))
        {
            Assert.Equal(3, batch.Views.Count);
            Assert.Equal(alone.Indices, batch.Indices);
            Assert.Equal(alone.Inputs.ToArray<float>(), batch.Inputs.ToArray<float>());
            Assert.Equal(alone.Views[0].Images!, batch.Views[0].Images!);
            Assert.Equal([batch.Count, 3, 5, 5], batch.Views[1].Inputs.Shape.ToArray());
            Assert.NotEqual(batch.Views[0].Inputs.ToArray<float>(), batch.Views[2].Inputs.ToArray<float>());
            Assert.NotEqual(batch.Views[0].Images!, batch.Views[2].Images!);
        }
        // What one view draws says nothing of another.
        foreach (
            var (batch, other) in several.Zip(
                Batches(
                    set,
                    Pipeline.OfViews([
                        [],
                        second,
                    ])
                )
            )
        )
            Assert.Equal(batch.Views[1].Inputs.ToArray<float>(), other.Views[1].Inputs.ToArray<float>());
    }

    [Fact]
    public void Views_do_not_depend_on_the_number_of_workers_or_processes()
    {
        using var scope = new Scope();
        var set = MadeUp.Noise(23);
        var pipeline = Pipeline.OfViews([first, second]);
        var expected = Batches(set, pipeline);
        foreach (var (a, b) in expected.Zip(Batches(set, pipeline, workers: 3)))
            for (var view = 0; view < 2; view++)
                Assert.Equal(a.Views[view].Inputs.ToArray<float>(), b.Views[view].Inputs.ToArray<float>());
        foreach (var (batch, part) in expected.Zip(Batches(set, pipeline, replica: new(1, 2))))
        foreach (var (position, place) in BatchShare.Of(batch.Count, new(1, 2)).Index())
            for (var view = 0; view < 2 && !part.IsPlaceholder; view++)
                Assert.Equal(batch.Views[view].Inputs[place].ToArray<float>(), part.Views[view].Inputs[position].ToArray<float>());
    }

    [Fact]
    public void An_unreadable_file_is_replaced_in_all_views_alike()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 20; i++)
            folder.Write($"a/{i:D2}.ppm", i == 7 ? [] : Pnm.Colored(i));
        using var scope = new Scope();
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        var raw = new Normalization([0], [1 / 255f]);
        foreach (
            var batch in new Loader(
                set,
                Pipeline.OfViews(
                    [
                        [],
                        [],
                    ],
                    raw
                ),
                new(5)
                {
                    Seed = 3,
                    Workers = 0,
                    UnreadableLimit = 0.1,
                }
            ).Epoch(0)
        )
        {
            Assert.DoesNotContain(7, batch.Indices);
            Assert.Equal(batch.Indices.Contains(5) ? [7] : [], batch.Unreadable.Select(image => image.Index));
            foreach (var view in batch.Views)
                for (var i = 0; i < batch.Count; i++)
                    Assert.All(view.Inputs[i].ToArray<float>(), value => Assert.Equal(batch.Indices[i], value, 1e-3));
        }
    }

    [Fact]
    public void Mixing_and_devices_are_refused_with_several_views()
    {
        Assert.Equal(
            "augment: mixup works on batches with one view, and there are 2 views",
            Assert
                .Throws<DataException>(() =>
                    Pipeline.OfViews([
                        [],
                        [new Mixup()],
                    ])
                )
                .Message
        );
        Assert.NotNull(
            Pipeline
                .OfViews([
                    [new Mixup()],
                ])
                .Mixing
        );
        Assert.Equal("augment: there must be at least one view", Assert.Throws<DataException>(() => Pipeline.OfViews([])).Message);
        Assert.Equal(
            "noise: batches with several views are made on the processor only",
            Assert
                .Throws<DataException>(() =>
                    new Loader(
                        MadeUp.Noise(3),
                        Pipeline.OfViews([
                            [],
                            [],
                        ]),
                        new(2) { Device = Device.Cpu }
                    )
                )
                .Message
        );
    }

    [Fact]
    public void Samples_without_labels_come_without_targets_and_are_not_mixed()
    {
        using var scope = new Scope();
        var set = new MemoryImages("plain", "train", new Unlabelled(10), new byte[10 * 4], 1, 2, 2).Part([2, 3, 5, 7]);
        Assert.Equal((4, 4), (set.Count, set.Annotations.Count));
        Assert.Empty(set.ClassNames);
        var batch = new Loader(set, Pipeline.Plain, new(3) { Workers = 0 }).Epoch(0).First();
        Assert.Equal(new NoTargets(3), batch.Targets);
        Assert.Equal(new NoTargets(2), batch.Slice(1, 2).Targets);
        Assert.Equal(
            "plain: augment mixes or smooths targets, but the samples have no labels that could be mixed or smoothed",
            Assert.Throws<DataException>(() => new Loader(set, new([new LabelSmoothing()]), new(3))).Message
        );
        Assert.Equal(2, StratifiedSampling.Draw(set, 2, 1).Length);
        Assert.Contains("one class per sample", Assert.Throws<DataException>(() => ClassLabels.Of(set)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_part_of_texts_is_texts_and_keeps_its_annotations()
    {
        var texts = new TextDataset("texts", "train", ["a", "b", "c"], new ClassLabels(["x", "y"], [0, 1, 1]));
        var part = texts.Part([2, 0], "some");
        Assert.Equal(["c", "a"], part.Texts);
        Assert.Equal([1, 0], ClassLabels.Of(part).Labels);
        var words = new EncodedText(texts, Vocabulary.Build(texts.Texts), 2).Part([1]);
        Assert.Equal((1, "train"), (words.Count, words.Split));
        Assert.Equal(words.Vocabulary["b"], words.Words(0).Span[0]);
    }
}
