using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>What the golden files do not show of the losses of LV-ViT, DynamicViT and RevCol.</summary>
[Collection("engine")]
public sealed class SystemLossTests
{
    private static Tensor Targets(Tensor scores, Tensor indices, double smoothing, int size, params double[] crop) =>
        TokenLabeling.Targets(scores, indices, Tensor.From(crop, 1, 4), Tensor.From<long>([2]), 8, size, smoothing);

    [Fact]
    public void Labels_of_all_tokens_sum_to_one_without_smoothing()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var scores = Torch.Rand([1, 5, 6, 6]) * 10;
        var indices = Torch.Rand([1, 8, 6, 6]).Argsort(1).Slice(1, 0, 5);
        Near.Equal(Torch.Ones([1, 2 + 16]), Targets(scores, indices, 0, 4, 0.1, 0.2, 0.6, 0.5).Sum(1), 1e-6);
        Near.Equal(
            Torch.Ones([1, 2 + 16]) * (1 + 0.1 / 8),
            Targets(scores, indices, 0.1, 4, 0.1, 0.2, 0.6, 0.5).Sum(1).IndexFill(1, Tensor.From<long>([0]), 1 + 0.1 / 8),
            1e-6
        );
        Assert.Equal(new Shape(1, 8, 2), Targets(scores, indices, 0, 1, 0, 0, 1, 1).Shape);
    }

    [Fact]
    public void A_crop_sees_the_scores_that_lie_inside_of_it()
    {
        using var scope = Torch.Scope();
        // Class 1 on the left half of the map, class 3 on the right.
        var left = Torch.Arange(6).Lt(3).Reshape(1, 1, 1, 6).Expand([1, 1, 6, 6]);
        var indices = Torch.Where(left, Torch.Full([1, 1, 6, 6], 1L, DType.Int64), Torch.Full([1, 1, 6, 6], 3L, DType.Int64));
        var scores = Torch.Full([1, 1, 6, 6], 20.0);
        var right = Targets(scores, indices, 0, 2, 0, 0.6, 1, 0.4);
        Assert.Equal(Enumerable.Repeat(3L, 5), right.Slice(2, 1).Argmax(1).ToArray<long>());
        var whole = Targets(scores, indices, 0, 2, 0, 0, 1, 1).Slice(2, 2).Argmax(1).ToArray<long>();
        Assert.Equal([1L, 3, 1, 3], whole);
    }

    [Fact]
    public void Tokens_that_are_all_dropped_are_compared_with_nothing()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (logits, tokens) = (Torch.Randn([2, 3]), Torch.Randn([2, 4, 5]));
        var none = Torch.Zeros([2, 4]);
        var loss = TokenSparsification.Loss(
            logits,
            tokens,
            logits,
            tokens + 1,
            Tensor.From<long>([0, 2]),
            [none],
            none.Unsqueeze(2),
            [0.5],
            TokenSparsification.TokenTerm.MeanSquared
        );
        Assert.Equal(0, loss.Parts["token_distillation"].ToDouble());
        Assert.Equal(0, loss.Parts["class_distillation"].ToDouble(), 6);
        Assert.Equal(0.25, loss.Parts["ratio"].ToDouble(), 6);
    }

    [Fact]
    public void The_ratio_is_held_for_every_image_or_for_the_batch()
    {
        using var scope = Torch.Scope();
        var (logits, tokens) = (Torch.Zeros([2, 3]), Torch.Zeros([2, 2, 5]));
        var decision = Tensor.From<float>([1, 1, 0, 0], 2, 2);
        double Ratio(bool perBatch) =>
            TokenSparsification
                .Loss(
                    logits,
                    tokens,
                    logits,
                    tokens,
                    Tensor.From<long>([0, 2]),
                    [decision],
                    decision.Unsqueeze(2),
                    [0.5],
                    TokenSparsification.TokenTerm.Divergence,
                    perBatch: perBatch
                )
                .Parts["ratio"]
                .ToDouble();
        Assert.Equal((0.25, 0.0), (Ratio(false), Ratio(true)));
    }

    [Fact]
    public void The_weight_of_images_falls_and_that_of_labels_rises_along_the_columns()
    {
        using var scope = Torch.Scope();
        var logits = Enumerable.Repeat(Torch.Zeros([1, 4]), 4).ToArray();
        var pictures = Enumerable.Repeat(Torch.Zeros([1, 3, 2, 2]), 3).ToArray();
        var loss = ColumnSupervision.Loss(logits, pictures, Torch.Full([1, 3, 2, 2], 0.5), Tensor.From<long>([1]), smoothing: 0);
        var (picture, label) = (3 * Math.Log(2), 0.7 * Math.Log(4));
        double[] expected = [picture + 0.25 * label, 2 / 3.0 * picture + 0.5 * label, picture / 3 + 0.75 * label, Math.Log(4)];
        Assert.Equal(expected, loss.Parts.Values.Select(part => Math.Round(part.ToDouble(), 5)), (a, b) => Math.Abs(a - b) < 1e-4);
        Assert.Throws<ArgumentException>(() =>
            ColumnSupervision.Loss(logits, pictures[..2], Torch.Zeros([1, 3, 2, 2]), Tensor.From<long>([1]))
        );
    }
}
