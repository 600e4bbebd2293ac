using FsCheck;
using FsCheck.Fluent;
using Tessera.Data;
using Tessera.Testing;
using Tessera.Training.Tasks.MultiLabel;

namespace Tessera.Training.Tests.MultiLabel;

[Collection("engine")]
public sealed class MultiLabelEvaluatorTests
{
    private static MultiLabelMetrics Measure(float[][] logits, int[][] labels, double[] thresholds, bool tune = false, int[]? order = null)
    {
        using var scope = new Scope();
        var evaluator = new MultiLabelEvaluator(thresholds, tune);
        var classes = thresholds.Length;
        foreach (var i in order ?? [.. Enumerable.Range(0, logits.Length)])
        {
            var hot = Enumerable.Range(0, classes).Select(c => labels[i].Contains(c) ? 1f : 0f).ToArray();
            evaluator.Add(Tensor.From(logits[i], 1, classes), Tensor.From(hot, 1, classes), [i]);
        }
        return evaluator.Measure();
    }

    private static float[][] Column(params float[] values) => [.. values.Select(value => new[] { value })];

    // What scikit-learn's average_precision_score says of y = [0, 0, 1, 1], scores = [0.1, 0.4, 0.35, 0.8]: 0.8333.
    [Fact]
    public void Average_precision_is_the_area_under_the_steps()
    {
        var metrics = Measure(
            Column(0.1f, 0.4f, 0.35f, 0.8f),
            [
                [],
                [],
                [0],
                [0],
            ],
            [0.5]
        );
        Assert.Equal((1.0 + 2.0 / 3) / 2, metrics.Map, 1e-15);
    }

    [Fact]
    public void Samples_of_the_same_score_are_one_step()
    {
        // All the same: one step with the share of the class as precision, whatever the order.
        Assert.Equal(
            0.4,
            Measure(
                Column(1, 1, 1, 1, 1),
                [
                    [0],
                    [],
                    [0],
                    [],
                    [],
                ],
                [0.5]
            ).Map,
            1e-15
        );
        Assert.Equal(
            0.4,
            Measure(
                Column(1, 1, 1, 1, 1),
                [
                    [],
                    [],
                    [],
                    [0],
                    [0],
                ],
                [0.5]
            ).Map,
            1e-15
        );
        // 2; then 1 and 1 together: precision of 1 at recall 1/2, of 2/3 at recall 1.
        Assert.Equal(
            0.5 * 1 + 0.5 * 2 / 3,
            Measure(
                Column(1, 2, 1),
                [
                    [0],
                    [0],
                    [],
                ],
                [0.5]
            ).Map,
            1e-15
        );
    }

    [Fact]
    public void Sure_answers_are_ranked_by_logits_where_probabilities_are_equal()
    {
        // As float32 probabilities both would be 1.
        Assert.Equal(
            1,
            Measure(
                Column(50, 60),
                [
                    [],
                    [0],
                ],
                [0.5]
            ).Map
        );
    }

    [Fact]
    public void Average_precision_is_the_sum_over_positives_of_the_precision_at_their_score() =>
        Prop.ForAll(Gen.Choose(-3, 3).Two().ListOf(7).ToArbitrary(), rows =>
            {
                var scores = rows.Select(row => (float)row.Item1).ToArray();
                int[][] labels = [.. rows.Select(row => row.Item2 > 0 ? (int[])[0] : [])];
                if (labels.All(row => row.Length == 0))
                    return;
                var positives = Enumerable.Range(0, scores.Length).Where(i => labels[i].Length > 0).ToArray();
                var expected = positives.Average(i =>
                    positives.Count(j => scores[j] >= scores[i]) / (double)scores.Count(score => score >= scores[i])
                );
                Assert.Equal(expected, Measure(Column(scores), labels, [0.5]).Map, 1e-12);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Scores_follow_from_the_thresholds()
    {
        // Probabilities of 0.5 are chosen; class 2 occurs nowhere and counts in the micro figures alone.
        var metrics = Measure(
            [
                [0, 2, 1],
                [-1, 3, -5],
                [4, -2, -5],
            ],
            [
                [0],
                [0, 1],
                [],
            ],
            [0.5, 0.9, 0.5]
        );
        Assert.Equal([(2, 2, 1), (1, 1, 1), (0, 1, 0)], metrics.PerClass.Select(one => (one.Samples, one.Chosen, one.Right)));
        Assert.Equal((0.5 + 1) / 2, metrics.F1Macro, 1e-15);
        Assert.Equal(4.0 / (4 + 3), metrics.F1Micro, 1e-15);
        Assert.Equal(0.5, metrics.Precision, 1e-15);
        Assert.Equal(2.0 / 3, metrics.Recall, 1e-15);
        Assert.Null(metrics.PerClass[2].AveragePrecision);
        Assert.Null(metrics.PerClass[2].F1);
        Assert.Equal("map", metrics.Primary);
        Assert.Equal(metrics.Map, metrics.Scalars["map"]);
        // The surest mistake first: class 0 in sample 2.
        Assert.Equal([(2, 0), (0, 2)], metrics.Wrong.Select(one => (one.Index, one.Label)));
        Assert.Equal([(1, 0)], metrics.Missed.Select(one => (one.Index, one.Label)));
    }

    [Fact]
    public void Of_each_sample_the_surest_mistakes_are_kept()
    {
        var metrics = Measure(
            [
                [3, 5, -1, -4],
                [2, -6, -6, -6],
                [-6, -6, -6, 6],
            ],
            [
                [2, 3],
                [],
                [3],
            ],
            [0.5, 0.5, 0.5, 0.5]
        );
        Assert.Equal([(0, 1), (1, 0)], metrics.Wrong.Select(one => (one.Index, one.Label)));
        Assert.Equal([(0, 3)], metrics.Missed.Select(one => (one.Index, one.Label)));
        Assert.Equal(MultiLabelEvaluator.Probability(-4), metrics.Missed[0].Probability);
    }

    [Fact]
    public void The_loss_is_the_mean_cross_entropy_of_all_decisions()
    {
        var metrics = Measure(
            [
                [1, -2],
                [800, 0.5f],
            ],
            [
                [0],
                [0, 1],
            ],
            [0.5, 0.5]
        );
        double[] terms = [Math.Log(1 + Math.Exp(-1)), Math.Log(1 + Math.Exp(-2)), 0, Math.Log(1 + Math.Exp(-0.5))];
        Assert.Equal(terms.Average(), metrics.Loss, 1e-12);
    }

    [Fact]
    public void A_tuned_threshold_has_the_largest_F1_of_all_thresholds()
    {
        var random = new Random(3);
        float[][] logits =
        [
            .. Enumerable.Range(0, 60).Select(_ => new[] { random.Next(-8, 8) / 2f, random.NextSingle(), random.NextSingle() }),
        ];
        int[][] labels =
        [
            .. logits.Select(row => (int[])[.. row[0] + 4 * random.NextDouble() > 2 ? [0] : (int[])[], .. row[1] > 0.7 ? [1] : (int[])[]]),
        ];
        var metrics = Measure(logits, labels, [0.5, 0.5, 0.25], tune: true);
        Assert.True(metrics.ThresholdsTuned);
        for (var c = 0; c < 2; c++)
        {
            foreach (var threshold in Enumerable.Range(0, 1001).Select(i => i / 1000.0))
            {
                double[] all = [.. Enumerable.Repeat(threshold, 3)];
                Assert.True(Measure(logits, labels, all).PerClass[c].F1 <= metrics.PerClass[c].F1 + 1e-12);
            }
        }
        Assert.Equal(1, metrics.PerClass[1].F1);
        // A class that occurs nowhere keeps its threshold.
        Assert.Equal(0.25, metrics.PerClass[2].Threshold);
        // Given back, the thresholds give the same scores.
        var again = Measure(logits, labels, [.. metrics.PerClass.Select(one => one.Threshold)]);
        Assert.False(again.ThresholdsTuned);
        Assert.Equal(metrics.PerClass, again.PerClass);
    }

    [Fact]
    public void Curves_agree_with_the_figures()
    {
        var metrics = Measure(
            Column(3, 2, 1, 0, -1),
            [
                [0],
                [],
                [0],
                [],
                [0],
            ],
            [0.5]
        );
        var curve = metrics.PrecisionAtRecall[0]!;
        Assert.Equal(101, curve.Count);
        Assert.Equal(1, curve[0]);
        Assert.Equal(1, curve[33]);
        Assert.Equal(2.0 / 3, curve[34], 1e-15);
        Assert.Equal(3.0 / 5, curve[100], 1e-15);
        Assert.Equal(metrics.F1Macro, metrics.F1AtThreshold.Single(point => point.Threshold == 0.5).Macro);
        Assert.Equal(metrics.F1Micro, metrics.F1AtThreshold.Single(point => point.Threshold == 0.5).Micro);
        Assert.Equal(2.0 * 3 / (5 + 3), metrics.F1AtThreshold[0].Micro, 1e-15);
    }

    [Fact]
    public void The_order_of_samples_changes_no_bit()
    {
        var random = new Random(1);
        float[][] logits = [.. Enumerable.Range(0, 50).Select(_ => new[] { random.NextSingle() * 9 - 4, random.NextSingle() - 0.5f })];
        int[][] labels =
        [
            .. logits.Select(
                (_, i) =>
                    i % 3 == 0 ? [0, 1]
                    : i % 3 == 1 ? (int[])[1]
                    : []
            ),
        ];
        var expected = Measure(logits, labels, [0.5, 0.5]);
        var shuffled = Measure(logits, labels, [0.5, 0.5], order: [.. Enumerable.Range(0, 50).OrderBy(_ => random.Next())]);
        Assert.Equal(expected.Scalars, shuffled.Scalars);
        Assert.Equal(expected.Wrong, shuffled.Wrong);
        Assert.Equal(expected.Missed, shuffled.Missed);
    }

    [Fact]
    public void Processes_that_share_the_samples_come_to_the_figures_of_one()
    {
        var random = new Random(4);
        float[][] logits = [.. Enumerable.Range(0, 23).Select(_ => new[] { random.NextSingle() * 9 - 4, random.NextSingle() - 0.5f })];
        int[][] labels =
        [
            .. logits.Select(
                (_, i) =>
                    i % 3 == 0 ? [0, 1]
                    : i % 3 == 1 ? (int[])[1]
                    : []
            ),
        ];
        var expected = Measure(logits, labels, [0.5, 0.5], tune: true);
        // The last process has no sample at all.
        var joined = Ranks.Run(3, group =>
        {
            using var scope = new Scope();
            var evaluator = new MultiLabelEvaluator([0.5, 0.5], tune: true);
            for (var i = group.Rank; group.Rank < 2 && i < logits.Length; i += 2)
                evaluator.Add(
                    Tensor.From(logits[i], 1, 2),
                    Tensor.From([.. Enumerable.Range(0, 2).Select(c => labels[i].Contains(c) ? 1f : 0f)], 1, 2),
                    [i]
                );
            evaluator.Join(group);
            return evaluator.Measure();
        });
        foreach (var metrics in joined)
        {
            Assert.Equal(expected.Scalars, metrics.Scalars);
            Assert.Equal(expected.PerClass, metrics.PerClass);
            Assert.Equal(expected.Wrong, metrics.Wrong);
        }
    }

    [Fact]
    public void What_is_no_number_comes_last_and_is_in_no_answer()
    {
        var metrics = Measure(
            Column(float.NaN, 1, -1),
            [
                [0],
                [0],
                [],
            ],
            [0]
        );
        Assert.Equal(0.5 * 1 + 0.5 * 2 / 3, metrics.Map, 1e-15);
        Assert.Equal(2, metrics.PerClass[0].Chosen);
    }

    [Fact]
    public void Labels_that_are_mixed_and_sets_without_any_label_are_refused()
    {
        using var scope = new Scope();
        var evaluator = new MultiLabelEvaluator([0.5, 0.5]);
        Assert.Throws<InvalidOperationException>(evaluator.Measure);
        Assert.Throws<DataException>(() => evaluator.Add(Tensor.From([1f, 2], 1, 2), Tensor.From([0.3f, 0], 1, 2), [0]));
        Assert.Throws<ShapeException>(() => evaluator.Add(Tensor.From([1f, 2, 3], 1, 3), Tensor.From([0f, 0, 0], 1, 3), [0]));
        evaluator.Add(Tensor.From([1f, 2], 1, 2), Tensor.From([0f, 0], 1, 2), [0]);
        Assert.Contains("no class is present", Assert.Throws<DataException>(evaluator.Measure).Message);
    }
}
