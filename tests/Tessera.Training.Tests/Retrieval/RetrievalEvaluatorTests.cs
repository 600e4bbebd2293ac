using Tessera.Testing;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>Retrieval among descriptors: by category, with a gallery of its own, and of particular objects.</summary>
[Collection("engine")]
public sealed class RetrievalEvaluatorTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    // Directions in the plane, in degrees.
    private static Tensor At(params double[] degrees) =>
        Tensor.From(
            [.. degrees.SelectMany(angle => (float[])[(float)Math.Cos(angle * Math.PI / 180), (float)Math.Sin(angle * Math.PI / 180)])],
            degrees.Length,
            2
        );

    private static Tensor Noise(int count, int width, int seed = 1)
    {
        var random = new Random(seed);
        return Tensor.From([.. Enumerable.Range(0, count * width).Select(_ => (float)(random.NextDouble() - 0.5))], count, width);
    }

    private static Batch Of(Tensor descriptors, Targets targets, int from = 0) =>
        new(descriptors, targets, [.. Enumerable.Range(from, (int)descriptors.Size(0))]);

    private static RetrievalEvaluator Evaluator(params int[] ks) => new(batch => batch.Inputs, ks);

    [Fact]
    public void Samples_are_looked_for_among_all_others_and_never_find_themselves()
    {
        // 0 and 12 are of one class, and 5 between them of another.
        var metrics = CategoryRetrieval.Measure(At(0, 12, 5, 90, 100), [7, 7, 3, 4, 4], [1, 2]);
        Assert.Equal([new(1, 2 / 5.0), new(2, 4 / 5.0)], metrics.Recall);
        Assert.Equal(1, metrics.WithoutRelevant);
        // Of 0 and 12 the one that is right comes second; 5 has none.
        Assert.Equal((0.5 + 0.5 + 1 + 1) / 4, metrics.Map!.Value, 1e-12);
        Assert.Equal((0 + 0 + 1 + 1) / 4.0, metrics.RPrecision!.Value, 1e-12);
        Assert.Equal((5, 4), (metrics.Queries, metrics.Searched));
        Assert.Equal([(3, 0.0), (4, 1.0), (7, 0.0)], metrics.PerClass.Select(one => (one.Label, one.Share)));
        // Failures first, the surest of them at the top; one without anything right is no failure of the model.
        Assert.Equal([0, 1, 3], metrics.Examples.Select(example => example.Query));
        Assert.Equal([2, 1, 3, 4], metrics.Examples[0].Found.Select(item => item.Sample));
        Assert.Equal([ItemRole.Other, ItemRole.Relevant, ItemRole.Other, ItemRole.Other], metrics.Examples[0].Found.Select(i => i.Role));
    }

    [Fact]
    public void Lengths_do_not_matter_and_equal_descriptors_come_in_their_order()
    {
        var descriptors = Torch.Cat([At(0) * 5, At(90), At(0), At(0) * 0.1], 0);
        var metrics = CategoryRetrieval.Measure(descriptors, [1, 1, 2, 1], [1, 2]);
        // The first finds the third (another class) before the fourth; the fourth finds itself last of all and the first at once.
        Assert.Equal([2, 3, 1], metrics.Examples.Single(example => example.Query == 0).Found.Select(item => item.Sample));
        Assert.Equal([new(1, 2 / 4.0), new(2, 3 / 4.0)], metrics.Recall);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public void Figures_do_not_depend_on_how_many_queries_are_taken_together(int together)
    {
        var descriptors = Noise(200, 7);
        long[] labels = [.. Enumerable.Range(0, 200).Select(i => (long)(i * 7 % 13))];
        var (whole, parts) = (
            CategoryRetrieval.Measure(descriptors, labels, [1, 5, 50]),
            CategoryRetrieval.Measure(descriptors, labels, [1, 5, 50], together: together)
        );
        Assert.Equal(whole.Scalars, parts.Scalars);
        Assert.Equal(whole.Examples.Select(example => example.Query), parts.Examples.Select(example => example.Query));
        Assert.InRange(whole.Recall[0].Share, 0.01, 0.3);
    }

    [Fact]
    public void A_gallery_is_searched_and_queries_are_not_in_it()
    {
        // The query at 0 has another query beside it, which is not searched.
        var labels = new QueryGalleryLabels(new(["a", "b"], [0, 0, 0, 1, 1]), [true, true, false, false, false]);
        var evaluator = Evaluator(1, 2);
        evaluator.Add(Of(At(0, 1), new RetrievalTargets(labels, 2)));
        evaluator.Add(Of(At(60, 20, 90), new RetrievalTargets(labels, 3), from: 2));
        var metrics = Assert.IsType<RetrievalMetrics>(evaluator.Measure());
        Assert.Equal((2, 3, 5), (metrics.Queries, metrics.Searched, metrics.Count));
        Assert.Equal([new(1, 0), new(2, 1)], metrics.Recall);
        Assert.Equal([3, 2, 4], metrics.Examples[0].Found.Select(item => item.Sample));
    }

    [Fact]
    public void Batches_may_come_in_any_order_and_leave_out_what_cannot_be_read()
    {
        var (forth, back) = (Evaluator(1), Evaluator(1));
        var (descriptors, labels) = (Noise(40, 5), Tensor.From([.. Enumerable.Range(0, 40).Select(i => (long)(i % 4))]));
        Batch Part(int from, int to) => Of(descriptors.Slice(0, from, to), new ClassTargets(labels.Slice(0, from, to)), from);
        forth.Add(Part(0, 10));
        forth.Add(Part(12, 40));
        back.Add(Part(12, 40));
        back.Add(Part(0, 10));
        var (one, other) = ((RetrievalMetrics)forth.Measure(), (RetrievalMetrics)back.Measure());
        Assert.Equal(one.Scalars, other.Scalars);
        Assert.Equal(38, one.Count);
        // Positions are those in the data set.
        Assert.DoesNotContain(one.Examples.SelectMany(example => example.Found), item => item.Sample is 10 or 11);
        Assert.Contains(one.Examples.SelectMany(example => example.Found), item => item.Sample >= 38);
        Assert.Throws<InvalidOperationException>(() => Evaluator(1).Measure());
    }

    [Fact]
    public void Several_processes_measure_what_one_does()
    {
        var whole = Evaluator(1, 3);
        whole.Add(Of(Noise(23, 4), new ClassTargets(Labels(0, 23))));
        var expected = whole.Measure().Scalars;
        var results = Ranks.Run(3, group =>
        {
            using var own = new Scope();
            var evaluator = Evaluator(1, 3);
            // One of them has nothing.
            var (from, to) = group.Rank switch
            {
                0 => (0, 15),
                1 => (15, 23),
                _ => (0, 0),
            };
            if (to > from)
                evaluator.Add(Of(Noise(23, 4).Slice(0, from, to), new ClassTargets(Labels(from, to)), from));
            evaluator.Join(group);
            return evaluator.Measure().Scalars;
        });
        Assert.All(results, scalars => Assert.Equal(expected, scalars));

        static Tensor Labels(int from, int to) => Tensor.From([.. Enumerable.Range(from, to - from).Select(i => (long)(i % 5))]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_process_without_samples_learns_from_the_others_what_is_right(bool ofLandmarks)
    {
        Annotations truth = ofLandmarks
            ? landmarks
            : new QueryGalleryLabels(new(["a", "b"], [0, 0, 1, 1, 0, 1, 0]), [false, false, false, false, false, true, true]);
        var whole = Evaluator(1);
        whole.Add(Of(At(10, 20, 30, 40, 50, 0, 0), new RetrievalTargets(truth, 7)));
        var expected = whole.Measure();
        var results = Ranks.Run(2, group =>
        {
            using var own = new Scope();
            var evaluator = Evaluator(1);
            if (group.IsFirst)
                evaluator.Add(Of(At(10, 20, 30, 40, 50, 0, 0), new RetrievalTargets(truth, 7)));
            evaluator.Join(group);
            return evaluator.Measure();
        });
        Assert.All(results, metrics => Assert.Equal(expected.GetType(), metrics.GetType()));
        Assert.All(results, metrics => Assert.Equal(expected.Scalars, metrics.Scalars));
    }

    [Fact]
    public void Descriptors_that_are_no_numbers_are_missed_and_said()
    {
        var descriptors = Torch.Cat([At(0, 1, 90, 91), At(0) / 0], 0);
        var metrics = CategoryRetrieval.Measure(descriptors, [1, 1, 2, 2, 1], [1]);
        Assert.Equal(4 / 5.0, metrics.Recall[0].Share, 1e-12);
        Assert.True(double.IsNaN(metrics.EffectiveRank));
    }

    [Fact]
    public void Samples_that_say_nothing_and_mixed_ones_are_refused()
    {
        Assert.Contains("NoTargets", Assert.Throws<DataException>(() => Evaluator(1).Add(Of(At(0), new NoTargets(1)))).Message);
        var mixed = new ClassTargets(Tensor.From([0L]), Tensor.From([1f], 1, 1));
        Assert.Contains("must not mix", Assert.Throws<DataException>(() => Evaluator(1).Add(Of(At(0), mixed))).Message);
        Assert.Throws<ArgumentException>(() => CategoryRetrieval.Measure(At(0, 1), [1, 1], []));
        Assert.Throws<ShapeException>(() => CategoryRetrieval.Measure(At(0, 1), [1], [1]));
        Assert.Throws<InvalidOperationException>(() => CategoryRetrieval.Measure(At(0, 1), [1, 1], [1], [true, true]));
    }

    // A query at 0 among images at 10 (hard), 20 (junk), 30 (easy), 40 (wrong) and 50 (easy); and one that nothing is right for.
    private static readonly LandmarkQueries landmarks = new(7, [new(5, [2, 4], [0], [1]), new(6, [], [], [1])]);

    [Fact]
    public void Landmarks_are_measured_at_three_levels_as_worked_out_by_hand()
    {
        var evaluator = Evaluator(1);
        evaluator.Add(Of(At(10, 20, 30, 40, 50, 0, 0), new RetrievalTargets(landmarks, 7)));
        var metrics = Assert.IsType<RevisitedMetrics>(evaluator.Measure());
        var (easy, medium, hard) = (metrics.Levels[0], metrics.Levels[1], metrics.Levels[2]);
        // Easy: 10 and 20 are taken out: right, wrong, right.
        Assert.Equal((1 + (1 / 2.0 + 2 / 3.0) / 2) / 2, easy.Map!.Value, 1e-12);
        // Medium: 20 is taken out: right, right, wrong, right.
        Assert.Equal((1 + 1 + (2 / 3.0 + 3 / 4.0) / 2) / 3, medium.Map!.Value, 1e-12);
        // Hard: all but 10 and 40 are taken out.
        Assert.Equal(1, hard.Map!.Value, 1e-12);
        Assert.Null(medium.AveragePrecisions[1]);
        Assert.Equal([(1, 1.0), (5, 2 / 3.0), (10, 2 / 3.0)], easy.Precision.Select(one => (one.K, one.Share!.Value)));
        Assert.Equal("map_medium", metrics.Primary);
        Assert.Equal(medium.Map, metrics.Scalars["map_medium"]);
        Assert.Equal(
            [ItemRole.Relevant, ItemRole.Ignored, ItemRole.Relevant, ItemRole.Other, ItemRole.Relevant],
            Assert.Single(metrics.Examples).Found.Select(item => item.Role)
        );
    }

    [Fact]
    public void Images_that_cannot_be_read_are_never_found_but_were_to_be()
    {
        var evaluator = Evaluator(1);
        evaluator.Add(Of(At(10, 20, 30, 40), new RetrievalTargets(landmarks, 4)));
        evaluator.Add(Of(At(0, 0), new RetrievalTargets(landmarks, 2), from: 5));
        var levels = ((RevisitedMetrics)evaluator.Measure()).Levels;
        Assert.Equal(1 / 2.0, levels[0].Map!.Value, 1e-12);
        Assert.Equal(2 / 3.0, levels[1].Map!.Value, 1e-12);
        // A query that cannot be read finds nothing.
        var without = Evaluator(1);
        without.Add(Of(At(10, 20, 30, 40, 50), new RetrievalTargets(landmarks, 5)));
        Assert.Equal(0, ((RevisitedMetrics)without.Measure()).Levels[1].Map);
    }

    [Fact]
    public void Moving_junk_changes_nothing_and_a_longer_database_only_what_it_puts_between()
    {
        LandmarkQueries Truth(int count) => new(count, [new(count - 1, [0], [1], [2])]);
        double[] Measured(params double[] degrees) =>
            [
                .. RevisitedRetrieval
                    .Measure(At(degrees), [.. Enumerable.Range(0, degrees.Length)], Truth(degrees.Length))
                    .Levels.Select(level => level.Map!.Value),
            ];
        var before = Measured(10, 30, 20, 25, 0);
        Assert.Equal(before, Measured(10, 30, 5, 25, 0));
        Assert.Equal(before, Measured(10, 30, 90, 25, 0));
        Assert.Equal(before, Measured(10, 30, 20, 25, 80, 81, 82, 0));
        Assert.NotEqual(before, Measured(10, 30, 20, 25, 5, 0));
    }
}
