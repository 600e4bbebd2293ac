using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TokenLabelTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Images whose left half is bright for even numbers and whose right half is for odd ones.</summary>
    private static ImageDataset Halves(int count, int? broken = null) => Small.Images(count, (index, target) =>
        {
            if (index == broken)
                throw new UnreadableImageException($"{index}.jpg", "no image");
            for (var i = 0; i < target.Values.Length; i++)
                target.Values[i] = (byte)(i % Small.Side < Small.Side / 2 == (index % 2 == 0) ? 250 : 5);
        });

    private (TokenLabelStore Store, ImageDataset Data) Made(int count = 6, int top = 2)
    {
        Torch.Seed(1);
        var data = Halves(count);
        TokenLabelStore.Make(Small.Guide(), data, folder.Path, top, batch: 4);
        return (TokenLabelStore.Open(folder.Path), data);
    }

    [Fact]
    public void What_an_annotator_says_of_every_place_can_be_read_back()
    {
        using var scope = Torch.Scope();
        var (store, data) = Made();
        Torch.Seed(1);
        var annotator = Small.Guide();
        annotator.Eval();
        using var batch = new Loader(data, Pipeline.Plain, new(6)).Epoch(0).First();
        var map = annotator.ForwardFeatures(batch.Inputs);
        var logits = annotator.ForwardClassifier(map.Permute(0, 2, 3, 1).Reshape(-1, 8)).Reshape(6, 4, 4, 3);
        var (scores, classes) = store.Of([3, 0], [Small.LabelOf(3), Small.LabelOf(0)]);
        Assert.Equal(new Shape(2, 2, 4, 4), scores.Shape);
        Near.Equal(logits[3].Amax([2]), scores[0][0], 2e-3);
        Near.Equal(logits[0].Argmax(2), classes[1][0], 0);
        store.Dispose();
    }

    [Fact]
    public void Labels_are_never_overwritten_and_missing_ones_are_named()
    {
        using var scope = Torch.Scope();
        var (store, data) = Made();
        Assert.Contains(
            "choose another folder",
            Assert.Throws<RunException>(() => TokenLabelStore.Make(Small.Guide(), data, folder.Path)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains("image 6", Assert.Throws<RunException>(() => store.Of([6], [0])).Message, StringComparison.Ordinal);
        Assert.Contains(
            "another class",
            Assert.Throws<RunException>(() => store.Of([1], [Small.LabelOf(1) + 1])).Message,
            StringComparison.Ordinal
        );
        Assert.Contains("labels-00001", Assert.Throws<RunException>(() => store.Of([9000], [0])).Message, StringComparison.Ordinal);
        Assert.Contains(
            "token-labels make",
            Assert.Throws<RunException>(() => TokenLabelStore.Open(Path.Combine(folder.Path, "no"))).Message,
            StringComparison.Ordinal
        );
        store.Dispose();
    }

    [Fact]
    public void Stopped_after_some_images_it_leaves_nothing_and_the_next_time_makes_all()
    {
        using var scope = Torch.Scope();
        using var stop = new CancellationTokenSource();
        var seen = new List<int>();
        var error = Assert.ThrowsAny<OperationCanceledException>(() =>
            TokenLabelStore.Make(
                Small.Guide(),
                Halves(6),
                folder.Path,
                batch: 2,
                done: count =>
                {
                    seen.Add(count);
                    if (count == 4)
                        stop.Cancel();
                },
                stop: stop.Token
            )
        );
        Assert.Equal(stop.Token, error.CancellationToken);
        Assert.Equal([2, 4], seen);
        Assert.False(TokenLabelStore.Exists(folder.Path));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
        var (store, _) = Made();
        Assert.Equal(2, store.Of([0, 5], [Small.LabelOf(0), Small.LabelOf(5)]).Scores.Size(0));
        store.Dispose();
    }

    [Fact]
    public void An_image_that_cannot_be_read_has_no_labels_and_moves_no_others()
    {
        using var scope = Torch.Scope();
        var (whole, _) = Made();
        var (before, kinds) = whole.Of([5], [Small.LabelOf(5)]);
        Directory.Delete(folder.Path, recursive: true);
        Torch.Seed(1);
        var missing = Assert.Single(
            TokenLabelStore.Make(Small.Guide(), Halves(6, broken: 2), folder.Path, 2, batch: 4, unreadableLimit: 0.2)
        );
        Assert.Equal((2, "no image"), (missing.Index, missing.Problem));
        var store = TokenLabelStore.Open(folder.Path);
        var (after, same) = store.Of([5], [Small.LabelOf(5)]);
        Near.Equal(before, after, 0);
        Near.Equal(kinds, same, 0);
        Assert.Contains(
            "image 2, which was unreadable",
            Assert.Throws<RunException>(() => store.Of([2], [Small.LabelOf(2)])).Message,
            StringComparison.Ordinal
        );
        Directory.Delete(folder.Path, recursive: true);
        Assert.Contains(
            "more than the limit",
            Assert
                .Throws<DataException>(() => TokenLabelStore.Make(Small.Guide(), Halves(6, broken: 2), folder.Path, unreadableLimit: 0))
                .Message,
            StringComparison.Ordinal
        );
        whole.Dispose();
        store.Dispose();
    }

    [Fact]
    public void Labels_are_mirrored_and_cut_with_the_image()
    {
        using var scope = Torch.Scope();
        var (store, _) = Made();
        var student = Small.Vit();
        var method = new TokenLabels(new(folder.Path, Smoothing: 0), student, store);
        Tensor Tokens(ImageView view) =>
            method
                .Targets(
                    Batches
                        .Labelled(Torch.Zeros([1, 3, Small.Side, Small.Side]), Tensor.From<long>([Small.LabelOf(1)]), [1])
                        .Showing([view]),
                    3
                )
                .Slice(2, 2)
                .Reshape(1, 3, 4, 4);
        var whole = Tokens(ImageView.Full);
        Near.Equal(Torch.Ones([1, 4, 4]), whole.Sum(1), 1e-5);
        Near.Equal(whole.Flip(3), Tokens(ImageView.Full.Mirrored), 1e-6);
        Near.Equal(whole.Flip(2), Tokens(ImageView.Full.Overturned), 1e-6);
        // A cut of a mirrored image is the mirrored cut of the other side.
        Near.Equal(Tokens(ImageView.Full.Window(0, 0.5, 1, 0.5)).Flip(3), Tokens(ImageView.Full.Mirrored.Window(0, 0, 1, 0.5)), 1e-6);
        store.Dispose();
    }
}
