using Tessera.Testing;
using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class ClassScoreTests
{
    [Fact]
    public void Equal_predictions_score_1_and_sure_ones_of_all_classes_their_number()
    {
        using var scope = new Scope();
        Assert.Equal(1, ClassScore.Of(Torch.Zeros([20, 7]), 2).Mean, 1e-12);
        Assert.Equal(1, ClassScore.Of(Drawn.Features(1, 1, 7).Expand([20, 7]), 2).Mean, 1e-12);
        // The others' probabilities are 0 in float64: what counts 0 must not become NaN.
        var labels = Tensor.From([.. Enumerable.Range(0, 20).Select(i => (long)(i % 5))]);
        var score = ClassScore.Of(labels.OneHot(5).To(DType.Float64) * 1e6, 2);
        Assert.Equal(5, score.Mean, 1e-12);
        Assert.Equal(0, score.Deviation, 1e-12);
    }

    [Fact]
    public void Parts_follow_each_other_and_what_is_left_over_belongs_to_none()
    {
        using var scope = new Scope();
        // The first part knows 2 classes, the second 1; the seventh image is left over.
        var labels = Tensor.From<long>([0, 1, 1, 0, 2, 2, 2, 2, 1]).OneHot(3).To(DType.Float64) * 1e6;
        var score = ClassScore.Of(labels, 2);
        Assert.Equal(1.5, score.Mean, 1e-12);
        Assert.Equal(0.5, score.Deviation, 1e-12);
        Assert.Throws<ArgumentOutOfRangeException>(() => ClassScore.Of(labels, 10));
    }

    [Fact]
    public void Sums_of_batches_and_processes_are_those_of_the_whole()
    {
        using var scope = new Scope();
        var logits = Drawn.Features(2, 40, 6) * 3;
        var expected = Measured(all => all.Add(logits, [.. Enumerable.Range(0, 40).Select(i => (long)i)]));
        var joined = Ranks.Run(2, group =>
        {
            using var own = new Scope();
            var sums = new ClassScoreSums(4, 6);
            for (var i = group.Rank; i < 40; i += 2)
                sums.Add(logits.Slice(0, i, i + 1), [i]);
            sums.Join(group);
            return sums.Measure();
        });
        Assert.All(joined, score => Assert.Equal(expected.Mean, score.Mean, 1e-12));
        Assert.All(joined, score => Assert.Equal(expected.Deviation, score.Deviation, 1e-12));

        static ScoreWithDeviation Measured(Action<ClassScoreSums> add)
        {
            var sums = new ClassScoreSums(4, 6);
            add(sums);
            return sums.Measure();
        }
    }
}
