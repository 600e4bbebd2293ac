using Tessera.Data;
using Tessera.Testing;
using Tessera.Training.Tasks.Detection;
using static Tessera.Training.Tests.Detection.Boxes;

namespace Tessera.Training.Tests.Detection;

public sealed class VocAveragePrecisionTests
{
    private const int Digits = 12;

    private static VocScores Measure(VocForm form, int classes, params IReadOnlyList<(ImageObject[] Truth, DetectedObject[] Found)> images)
    {
        var measured = new VocAveragePrecision(classes, form);
        foreach (var (i, image) in images.Index())
            measured.Add(i, image.Truth, image.Found);
        return measured.Measure();
    }

    private static double[] Both(ImageObject[] truth, params DetectedObject[] found) =>
        [Measure(VocForm.ElevenPoints, 1, (truth, found)).Map, Measure(VocForm.Area, 1, (truth, found)).Map];

    private static void Equal(double elevenPoints, double area, double[] found)
    {
        Assert.Equal(elevenPoints, found[0], Digits);
        Assert.Equal(area, found[1], Digits);
    }

    [Fact]
    public void Both_forms_of_a_curve_worked_by_hand()
    {
        ImageObject[] truth = [.. Enumerable.Range(0, 4).Select(i => Truth(30 * i, 0, 20, 20))];
        // right, wrong, right, right: precision 1, 1/2, 2/3, 3/4 at recall 1/4, 1/4, 2/4, 3/4.
        DetectedObject[] found = [Exactly(truth[0], 0.9), Found(0.8, 0, 90, 9, 9), Exactly(truth[1], 0.7), Exactly(truth[2], 0.6)];
        Equal((3 + 5 * 0.75) / 11, 0.25 + 0.5 * 0.75, Both(truth, found));
        var own = Measure(VocForm.Area, 1, (truth, found)).PerClass[0];
        Assert.Equal((4, 3, 1), (own.Objects, own.Found, own.Wrong));
        Assert.Equal([(0.25, 1), (0.25, 0.5), (0.5, 2 / 3.0), (0.75, 0.75)], own.Curve);
    }

    [Fact]
    public void Perfect_detections_have_1_and_none_have_0()
    {
        ImageObject[] truth = [Truth(0, 0, 20, 20), Truth(50, 0, 20, 20)];
        Equal(1, 1, Both(truth, [.. truth.Select(one => Exactly(one, 0.5))]));
        Equal(0, 0, Both(truth));
        Equal(-1, -1, Both([], Found(0.5, 0, 0, 9, 9)));
    }

    [Fact]
    public void A_class_without_objects_is_left_out_of_the_mean()
    {
        var truth = Truth(0, 0, 20, 20);
        var scores = Measure(VocForm.Area, 2, ([truth], [Exactly(truth, 0.5), Found(0.9, 0, 0, 20, 20, 1)]));
        Assert.Equal([1, -1], scores.PerClass.Select(own => own.Ap));
        Assert.Equal(1, scores.Map);
        Assert.Equal((0, 1), (scores.PerClass[1].Objects, scores.PerClass[1].Wrong));
    }

    [Fact]
    public void A_detection_of_an_object_that_is_taken_is_wrong_even_if_it_overlaps_another()
    {
        // The second detection overlaps the first object by more than the free one, and both by more than a half.
        ImageObject[] truth = [Truth(0, 0, 100, 100), Truth(0, 20, 100, 100)];
        Equal(6 / 11.0, 0.5, Both(truth, Exactly(truth[0], 0.9), Found(0.8, 0, 5, 100, 100)));
        // COCO gives it the free one.
        var coco = new CocoAveragePrecision(1);
        coco.Add(1, truth, [Exactly(truth[0], 0.9), Found(0.8, 0, 5, 100, 100)]);
        Assert.Equal(1, coco.Measure().Ap50, Digits);
    }

    [Fact]
    public void Of_equal_overlaps_the_first_object_is_taken()
    {
        ImageObject[] truth = [Truth(0, 0, 10, 10), Truth(10, 0, 10, 10)];
        DetectedObject[] found = [Found(0.9, 0, 0, 20, 10), Exactly(truth[1], 0.8)];
        Equal(1, 1, Both(truth, found));
        Equal(6 / 11.0, 0.5, Both([truth[1], truth[0]], found));
    }

    [Fact]
    public void Difficult_objects_and_crowds_count_neither_way()
    {
        ImageObject[] truth = [Truth(0, 0, 20, 20) with { IsIgnored = true }, Truth(50, 0, 20, 20), Truth(99, 0, 20, 20, crowd: true)];
        DetectedObject[] found = [Exactly(truth[0], 0.9), Exactly(truth[0], 0.8), Exactly(truth[2], 0.7), Exactly(truth[1], 0.1)];
        Equal(1, 1, Both(truth, found));
        Equal(0, 0, Both(truth, found[..3]));
        Equal(-1, -1, Both([truth[0]], found[..2]));
        Equal(0.5, 0.5, Both(truth, [Found(0.95, 300, 300, 9, 9), .. found]));
    }

    [Theory]
    [InlineData(50, 1)]
    [InlineData(49, 0)]
    public void The_threshold_itself_is_enough(double width, double expected) =>
        Equal(expected, expected, Both([Truth(0, 0, 100, 10)], Found(0.5, 0, 0, width, 10)));

    [Fact]
    public void Another_threshold_and_no_limit_of_detections()
    {
        var truth = Truth(0, 0, 100, 10);
        var measured = new VocAveragePrecision(1, threshold: 0.3);
        measured.Add(1, [truth], [.. Enumerable.Range(0, 200).Select(i => Found(0.9, 0, 100 + i, 9, 9)), Found(0.1, 0, 0, 31, 10)]);
        Assert.Equal(1 / 201.0, measured.Measure().Map, Digits);
        Assert.Throws<ArgumentException>(() => new VocAveragePrecision(1, threshold: 0));
        Assert.Throws<ArgumentException>(() => new VocAveragePrecision(1, threshold: double.NaN));
    }

    [Fact]
    public void Recall_that_is_a_point_but_for_its_rounding_does_not_reach_it()
    {
        // The point 3 * 0.1 is above 3 / 10 in double precision: the devkit's followers in NumPy read precision at the next recall.
        ImageObject[] truth = [.. Enumerable.Range(0, 10).Select(i => Truth(30 * i, 0, 20, 20))];
        var found = truth.Take(3).Select((one, i) => Exactly(one, 0.9 - i / 100.0)).ToArray();
        Equal(3 / 11.0, 0.3, Both(truth, found));
    }

    [Fact]
    public void Equal_scores_keep_their_order_and_processes_and_threads_change_nothing()
    {
        var images = Random(11, 40, 3, ties: true);
        var expected = Measure(VocForm.Area, 3, images);
        var threads = new VocAveragePrecision(3);
        Parallel.For(0, images.Count, i => threads.Add(i, images[i].Truth, images[i].Found));
        Same(threads.Measure());
        var joined = Ranks.Run(2, group =>
        {
            var own = new VocAveragePrecision(3);
            foreach (var (i, image) in images.Index().Where(one => one.Index % 2 == group.Rank))
                own.Add(i, image.Truth, image.Found);
            own.Join(group);
            return own.Measure();
        });
        Assert.All(joined, Same);

        void Same(VocScores scores)
        {
            Assert.Equal(40, scores.Images);
            Assert.Equal(
                expected.PerClass.Select(own => (own.Objects, own.Found, own.Wrong, own.Ap)),
                scores.PerClass.Select(own => (own.Objects, own.Found, own.Wrong, own.Ap))
            );
        }
    }
}
