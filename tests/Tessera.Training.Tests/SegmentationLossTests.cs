using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class SegmentationLossTests
{
    private const int Classes = 4;

    private static (Tensor Scores, Tensor Labels) Sample(double ignored = 0.3, int seed = 1)
    {
        Torch.Seed((ulong)seed);
        var labels = Torch.Randint(0, Classes, [2, 6, 5]);
        return (Torch.Randn([2, Classes, 6, 5]), labels.MaskedFill(Torch.Uniform([2, 6, 5], 0, 1).Lt(ignored), 255));
    }

    private static double[] Gradient(Tensor scores, Func<Tensor, Tensor> loss)
    {
        var leaf = scores.Detach();
        leaf.RequiresGrad = true;
        return Autograd.Grad([loss(leaf)], [leaf])[0]!.ToArray<double>();
    }

    [Fact]
    public void Cross_entropy_is_the_mean_over_the_labelled_pixels()
    {
        using var scope = Torch.Scope();
        var (scores, labels) = Sample();
        var (probabilities, truth) = (scores.Softmax(1).ToArray<double>(), labels.ToArray<long>());
        double[] weights = [1, 2, 0.5, 0];
        double sum = 0,
            weighted = 0,
            weight = 0;
        var count = 0;
        for (var i = 0; i < truth.Length; i++)
        {
            if (truth[i] == 255)
                continue;
            var loss = -Math.Log(probabilities[i / 30 * Classes * 30 + truth[i] * 30 + i % 30]);
            (sum, weighted, weight, count) = (sum + loss, weighted + weights[truth[i]] * loss, weight + weights[truth[i]], count + 1);
        }
        Near.Values(SegmentationLosses.CrossEntropy(scores, labels).Mean(), 1e-5, sum / count);
        Near.Values(SegmentationLosses.CrossEntropy(scores, labels, overAll: true).Mean(), 1e-5, sum / truth.Length);
        var classes = Tensor.From(weights).To(DType.Float32);
        Near.Values(SegmentationLosses.CrossEntropy(scores, labels, classes).Mean(), 1e-5, weighted / weight);
    }

    [Fact]
    public void Halves_of_a_batch_add_up_to_the_loss_of_the_whole()
    {
        using var scope = Torch.Scope();
        var (scores, labels) = Sample();
        labels.Select(0, 0).Fill_(255).Slice(0, 0, 1).Fill_(1); // one row of the first image alone is labelled
        PixelSum[] halves =
        [
            .. Enumerable.Range(0, 2).Select(i => SegmentationLosses.CrossEntropy(scores.Slice(0, i, i + 1), labels.Slice(0, i, i + 1))),
        ];
        var weight = halves[0].Weight + halves[1].Weight;
        Near.Equal(SegmentationLosses.CrossEntropy(scores, labels).Mean(), halves[0].Over(weight) + halves[1].Over(weight), 1e-5);
    }

    public static TheoryData<string> Kinds => ["cross_entropy", "weighted", "over_all", "hard", "dice", "lovasz"];

    private static Tensor Loss(string kind, Tensor scores, Tensor labels) =>
        kind switch
        {
            "cross_entropy" => SegmentationLosses.CrossEntropy(scores, labels).Mean(),
            "weighted" => SegmentationLosses.CrossEntropy(scores, labels, Torch.Ones(Classes)).Mean(),
            "over_all" => SegmentationLosses.CrossEntropy(scores, labels, overAll: true).Mean(),
            "hard" => SegmentationLosses.HardPixels(scores, labels, atLeast: 3).Mean(),
            "dice" => SegmentationLosses.Dice(scores, labels),
            _ => SegmentationLosses.Lovasz(scores, labels),
        };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_batch_without_a_labelled_pixel_has_loss_0_and_gradient_0(string kind)
    {
        using var scope = Torch.Scope();
        var (scores, labels) = Sample(ignored: 2);
        Near.Values(Loss(kind, scores, labels).Detach(), 1e-12, 0);
        Assert.All(Gradient(scores, leaf => Loss(kind, leaf, labels)), value => Assert.Equal(0, value));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Ignored_pixels_have_no_gradient_and_others_have(string kind)
    {
        using var scope = Torch.Scope();
        var (scores, labels) = Sample();
        var gradient = Gradient(scores, leaf => Loss(kind, leaf, labels));
        var truth = labels.ToArray<long>();
        for (var i = 0; i < gradient.Length; i++)
            if (truth[i / (Classes * 30) * 30 + i % 30] == 255)
                Assert.Equal(0, gradient[i]);
        Assert.Contains(gradient, value => value != 0);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_right_answer_costs_less_than_a_wrong_one(string kind)
    {
        using var scope = Torch.Scope();
        var labels = Torch.Randint(0, Classes, [2, 6, 5]);
        var right = labels.OneHot(Classes).Permute(0, 3, 1, 2).To(DType.Float32) * 20;
        Assert.InRange(Loss(kind, right, labels).ToDouble(), 0, 1e-2);
        Assert.True(Loss(kind, -right, labels).ToDouble() > 0.5);
    }

    [Fact]
    public void Scores_of_a_quarter_of_the_size_are_resized_to_the_labels()
    {
        using var scope = Torch.Scope();
        var (scores, labels) = (Torch.Randn([1, Classes, 2, 3]), Torch.Randint(0, Classes, [1, 7, 11]));
        Near.Equal(
            SegmentationLosses.CrossEntropy(scores.ResizeTo(7, 11), labels).Mean(),
            SegmentationLosses.CrossEntropy(scores, labels).Mean()
        );
        Assert.Throws<ShapeException>(() => SegmentationLosses.CrossEntropy(scores, labels.Squeeze(0)));
    }

    [Theory]
    [InlineData(0.0, 3, 6)] // the hardest of both images alone
    [InlineData(1.0, 3, 60)] // all
    [InlineData(0.0, 1000, 60)] // more than there are
    public void Hard_pixels_are_those_below_the_threshold_and_the_hardest(double threshold, int atLeast, int count)
    {
        using var scope = Torch.Scope();
        var (scores, labels) = Sample(ignored: 0);
        var hard = SegmentationLosses.HardPixels(scores, labels, threshold, atLeast);
        Near.Values(hard.Weight, 0, count);
        var losses = scores.CrossEntropyLoss(labels, reduction: 0).ToArray<double>().OrderDescending().Take(count);
        Near.Values(hard.Mean(), 1e-5, losses.Average());
    }

    [Fact]
    public void Dice_is_one_minus_twice_the_overlap_over_both_areas()
    {
        using var scope = Torch.Scope();
        // Class 1 has 2 of 4 pixels, of which the prediction finds one.
        var labels = Tensor.From<long>([0, 0, 1, 1]).Reshape(1, 2, 2);
        var predicted = Tensor.From<long>([0, 0, 0, 1]).Reshape(1, 2, 2);
        var scores = predicted.OneHot(2).Permute(0, 3, 1, 2).To(DType.Float32) * 100;
        var (first, second) = (1 - (2 * 2 + 1) / (3.0 + 2 + 1), 1 - (2 * 1 + 1) / (1.0 + 2 + 1));
        Near.Values(SegmentationLosses.Dice(scores, labels), 1e-5, (first + second) / 2);
    }

    [Fact]
    public void Lovasz_of_a_decided_answer_is_one_minus_the_mean_IoU()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var (labels, predicted) = (Torch.Randint(0, 3, [2, 5, 7]), Torch.Randint(0, 3, [2, 5, 7]));
        var scores = predicted.OneHot(Classes).Permute(0, 3, 1, 2).To(DType.Float32) * 200;
        double Iou(int c) =>
            labels.Eq(c).LogicalAnd(predicted.Eq(c)).Sum().ToDouble() / labels.Eq(c).LogicalOr(predicted.Eq(c)).Sum().ToDouble();
        Near.Values(SegmentationLosses.Lovasz(scores, labels), 1e-5, 1 - Enumerable.Range(0, 3).Average(Iou));
    }

    [Fact]
    public void Accuracy_counts_the_labelled_pixels()
    {
        using var scope = Torch.Scope();
        var labels = Tensor.From<long>([0, 255, 1, 1]).Reshape(1, 2, 2);
        var scores = Torch.Cat([Torch.Ones([1, 1, 2, 2]), Torch.Zeros([1, 1, 2, 2])], 1);
        Assert.Equal(new(1, 3), SegmentationLosses.Accuracy(scores, labels));
    }
}
