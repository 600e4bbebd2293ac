using Tessera.Testing;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

[Collection("engine")]
public sealed class PixelConfusionTests
{
    [Fact]
    public void A_perfect_prediction_has_a_mean_IoU_of_1_over_the_classes_that_occur()
    {
        using var scope = Torch.Scope();
        var labels = Torch.Randint(0, 3, [2, 8, 9]);
        var confusion = new PixelConfusion(5);
        confusion.Add(labels, labels);
        var scores = confusion.Measure();
        Assert.Equal((1, 1, 1, 1), (scores.MeanIou, scores.MeanAccuracy, scores.MeanDice, scores.PixelAccuracy));
        Assert.True(double.IsNaN(scores.Iou[4]));
    }

    [Fact]
    public void Counts_are_of_the_whole_set_however_it_is_cut()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var (predictions, labels) = (Torch.Randint(0, 4, [6, 5, 5]), Torch.Randint(0, 4, [6, 5, 5]));
        labels = labels.MaskedFill(Torch.Uniform([6, 5, 5], 0, 1).Lt(0.2), 255);
        var (whole, parts) = (new PixelConfusion(4), new PixelConfusion(4));
        whole.Add(predictions, labels);
        Parallel.For(0, 6, i =>
        {
            using var own = Torch.Scope();
            parts.Add(predictions.Select(0, i), labels.Select(0, i));
        });
        Assert.Equal(whole.Measure().Confusion, parts.Measure().Confusion);
        double Iou(int c)
        {
            var counted = labels.Ne(255);
            var (truth, answer) = (labels.Eq(c), predictions.Eq(c).LogicalAnd(counted));
            return truth.LogicalAnd(answer).Sum().ToDouble() / truth.LogicalOr(answer).Sum().ToDouble();
        }
        Assert.Equal(Enumerable.Range(0, 4).Average(Iou), whole.Measure().MeanIou, 12);
    }

    [Fact]
    public void Processes_join_their_counts()
    {
        var all = Ranks.Run(2, group =>
        {
            using var scope = Torch.Scope();
            var confusion = new PixelConfusion(2);
            confusion.Add(Tensor.From<long>([0, 1]), Tensor.From<long>([group.Rank, 1]));
            confusion.Join(group);
            return confusion.Measure().Confusion;
        });
        Assert.Equal(all[0], all[1]);
        Assert.Equal(
            [
                [1, 0],
                [1, 2],
            ],
            all[0]
        );
    }

    [Fact]
    public void A_prediction_of_no_class_that_counts_is_a_miss()
    {
        using var scope = Torch.Scope();
        var confusion = new PixelConfusion(2);
        confusion.Add(Tensor.From<long>([0, 2, -1, 1]), Tensor.From<long>([0, 0, 1, 1]));
        var scores = confusion.Measure();
        Assert.Equal([0.5, 0.5], scores.Iou);
        Assert.Equal(0.5, scores.PixelAccuracy);
    }

    [Fact]
    public void Labels_that_count_from_1_are_reduced()
    {
        using var scope = Torch.Scope();
        Near.Values(PixelConfusion.ReduceZeroLabel(Tensor.From<long>([0, 1, 150, 254, 255])), 0, 255, 0, 149, 253, 255);
        var confusion = new PixelConfusion(2, reduceZeroLabel: true);
        confusion.Add(Tensor.From<long>([1, 0, 1]), Tensor.From<long>([0, 1, 2]));
        Assert.Equal(1, confusion.Measure().MeanIou);
    }

    [Fact]
    public void Labels_outside_of_the_classes_are_refused_with_the_value()
    {
        using var scope = Torch.Scope();
        var confusion = new PixelConfusion(3);
        var labels = Tensor.From<long>([0, 7, 255]);
        var refusal = Assert.Throws<ArgumentException>(() => confusion.Add(labels, labels));
        Assert.Contains("a label is 7: labels must be from 0 to 2, or 255", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<ShapeException>(() => confusion.Add(labels, labels.Unsqueeze(0)));
        Assert.True(double.IsNaN(confusion.Measure().MeanIou));
    }
}
