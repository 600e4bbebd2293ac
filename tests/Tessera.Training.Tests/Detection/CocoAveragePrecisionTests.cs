using System.Globalization;
using Tessera.Data;
using Tessera.Testing;
using Tessera.Training.Tasks.Detection;
using static Tessera.Training.Tests.Detection.Boxes;

namespace Tessera.Training.Tests.Detection;

public sealed class CocoAveragePrecisionTests
{
    private const int Digits = 12;

    private static CocoScores Measure(int classes, params IReadOnlyList<(ImageObject[] Truth, DetectedObject[] Found)> images)
    {
        var measured = new CocoAveragePrecision(classes);
        foreach (var (i, image) in images.Index())
            measured.Add(i, image.Truth, image.Found);
        return measured.Measure();
    }

    private static CocoScores One(ImageObject[] truth, params DetectedObject[] found) => Measure(1, (truth, found));

    private static double[] Figures(CocoScores scores) => [.. scores.Summary.Select(one => one.Value)];

    // The reference adds 2^-52 to the number of detections: a precision of 1 is 1 but for a rounding.
    private static double[] Rounded(params IEnumerable<double> figures) => [.. figures.Select(figure => Math.Round(figure, Digits))];

    [Fact]
    public void Perfect_detections_have_a_precision_and_recall_of_1_and_sizes_without_objects_none()
    {
        ImageObject[] truth = [Truth(0, 0, 10, 10), Truth(50, 50, 40, 50, 1), Truth(5, 7, 20, 20, 1)];
        var scores = Measure(3, (truth, [.. truth.Select(one => Exactly(one, 0.5))]));
        Assert.Equal([1, 1, 1, 1, 1, -1, 1, 1, 1, 1, 1, -1], Rounded(Figures(scores)));
        Assert.Equal([1, 1, -1], Rounded(scores.PerClass.Select(own => own.Ap)));
        Assert.Equal([3, 2, 1, 0], scores.PerSize.Select(own => own.Objects));
        Assert.All(scores.Precision(2, 0), precision => Assert.Equal(-1, precision));
    }

    [Fact]
    public void Without_detections_precision_is_0_and_without_objects_it_is_not_defined()
    {
        var none = One([Truth(0, 0, 10, 10)]);
        Assert.Equal((0, 0, 0, -1), (none.Ap, none.Ar100, none.ApSmall, none.ApLarge));
        var empty = One([], Found(0.9, 0, 0, 10, 10));
        Assert.All(Figures(empty), figure => Assert.Equal(-1, figure));
        Assert.Equal(1, empty.Images);
        Assert.All(Figures(new CocoAveragePrecision(2).Measure()), figure => Assert.Equal(-1, figure));
    }

    [Fact]
    public void A_detection_that_comes_before_the_right_one_halves_precision()
    {
        var truth = Truth(0, 0, 10, 10);
        Assert.Equal(0.5, One([truth], Found(0.9, 50, 50, 10, 10), Exactly(truth, 0.8)).Ap, Digits);
        Assert.Equal(1, One([truth], Found(0.7, 50, 50, 10, 10), Exactly(truth, 0.8)).Ap, Digits);
    }

    [Fact]
    public void A_second_detection_of_an_object_is_a_false_alarm()
    {
        ImageObject[] truth = [Truth(0, 0, 10, 10), Truth(100, 0, 10, 10)];
        var scores = One(truth, Exactly(truth[0], 0.9), Exactly(truth[0], 0.8), Exactly(truth[1], 0.7));
        // Half of the objects at precision 1 (51 of 101 recalls), the others at 2 of 3.
        Assert.Equal((51 + 50 * 2.0 / 3) / 101, scores.Ap, Digits);
        Assert.Equal(1, scores.Ar100, Digits);
    }

    [Theory]
    [InlineData(50, 1)] // 50 of 100: the threshold itself is enough
    [InlineData(49.9, 0)]
    [InlineData(75, 6)]
    [InlineData(100, 10)]
    public void An_object_is_found_at_every_threshold_that_its_overlap_reaches(double width, int reached)
    {
        var scores = One([Truth(0, 0, 100, 100)], Found(0.5, 0, 0, width, 100));
        Assert.Equal(reached / 10.0, scores.Ap, Digits);
        Assert.Equal([.. Enumerable.Range(0, 10).Select(t => t < reached ? 1.0 : 0)], Rounded(scores.PerThreshold));
    }

    [Fact]
    public void A_crowd_takes_any_number_of_detections_by_their_own_area_and_is_never_missed()
    {
        ImageObject[] truth = [Truth(0, 0, 200, 200, crowd: true), Truth(300, 300, 10, 10)];
        DetectedObject[] inside = [Found(0.9, 0, 0, 10, 10), Found(0.8, 50, 50, 20, 20), Found(0.7, 0, 0, 10, 10)];
        Assert.Equal(1, One(truth, [.. inside, Exactly(truth[1], 0.1)]).Ap, Digits);
        // Less than half of it lies in the crowd.
        Assert.Equal(0.5, One(truth, Found(0.9, 190, 0, 30, 10), Exactly(truth[1], 0.1)).Ap, Digits);
        Assert.Equal(-1, One([truth[0]], inside).Ap);
    }

    [Fact]
    public void An_object_that_counts_is_preferred_to_a_crowd_that_overlaps_more()
    {
        ImageObject[] truth = [Truth(0, 0, 100, 100, crowd: true), Truth(0, 0, 10, 10)];
        Assert.Equal(1, One(truth, Found(0.9, 0, 0, 10, 8)).Ap50, Digits);
        // At a threshold that only the crowd reaches the detection counts for nothing, and the object is missed.
        Assert.Equal(0, One(truth, Found(0.9, 0, 0, 10, 8)).PerThreshold[^1], Digits);
    }

    [Fact]
    public void An_ignored_object_takes_one_detection_and_is_never_missed()
    {
        ImageObject[] truth = [Truth(0, 0, 10, 10) with { IsIgnored = true }, Truth(300, 300, 10, 10)];
        Assert.Equal(1, One(truth, Exactly(truth[0], 0.9), Exactly(truth[1], 0.1)).Ap, Digits);
        Assert.Equal(0.5, One(truth, Exactly(truth[0], 0.9), Exactly(truth[0], 0.8), Exactly(truth[1], 0.1)).Ap, Digits);
    }

    [Fact]
    public void Of_equal_overlaps_the_later_object_is_taken()
    {
        // The first detection overlaps both alike; the second only the earlier one. It is free if the later one was taken.
        ImageObject[] truth = [Truth(0, 0, 10, 10), Truth(10, 0, 10, 10)];
        var first = Found(0.9, 0, 0, 20, 10);
        Assert.Equal(1, One(truth, first, Exactly(truth[0], 0.8)).PerThreshold[0], Digits);
        Assert.Equal(51 / 101.0, One([truth[1], truth[0]], first, Exactly(truth[0], 0.8)).PerThreshold[0], Digits);
    }

    [Fact]
    public void Of_equal_scores_the_first_detection_and_the_image_of_the_lower_number_come_first()
    {
        var truth = Truth(0, 0, 10, 10);
        var (right, wrong) = (Exactly(truth, 0.5), Found(0.5, 50, 50, 10, 10));
        Assert.Equal(1, One([truth], right, wrong).Ap, Digits);
        Assert.Equal(0.5, One([truth], wrong, right).Ap, Digits);
        Assert.Equal(1, Measure(1, ([truth], [right]), ([], [wrong])).Ap, Digits);
        Assert.Equal(0.5, Measure(1, ([], [wrong]), ([truth], [right])).Ap, Digits);
    }

    [Fact]
    public void Ranges_of_areas_include_both_ends()
    {
        static double[] Sizes(double area) =>
            [.. One([Truth(0, 0, 50, 50) with { Area = area }], Found(0.9, 0, 0, 50, 50)).PerSize.Select(own => (double)own.Objects)];
        Assert.Equal([1, 1, 0, 0], Sizes(1023.9));
        Assert.Equal([1, 1, 1, 0], Sizes(1024));
        Assert.Equal([1, 0, 1, 0], Sizes(1024.1));
        Assert.Equal([1, 0, 1, 1], Sizes(9216));
        Assert.Equal([1, 0, 0, 1], Sizes(9216.1));
        Assert.Equal([0, 0, 0, 0], Sizes(1.1e10));
    }

    [Fact]
    public void A_false_alarm_counts_only_against_the_size_that_its_own_area_has()
    {
        ImageObject[] truth = [Truth(0, 0, 20, 20), Truth(100, 100, 50, 50)];
        DetectedObject[] right = [.. truth.Select(one => Exactly(one, 0.5))];
        var scores = One(truth, [.. right, Found(0.9, 300, 300, 40, 40)]);
        Assert.Equal([1, 0.5], Rounded(scores.ApSmall, scores.ApMedium));
        // Width and height of the source decide, not what rounding makes of the edges.
        var rounded = new DetectedObject(Box(300.1, 300.1, 32, 32), 0, 0.9) { BoxArea = 1024 };
        Assert.NotEqual(1024, rounded.Box.Area);
        scores = One(truth, [.. right, rounded]);
        Assert.Equal([0.5, 0.5], Rounded(scores.ApSmall, scores.ApMedium));
    }

    [Fact]
    public void An_object_of_another_size_that_is_found_counts_for_nothing()
    {
        var truth = Truth(0, 0, 20, 20);
        var scores = One([truth, Truth(100, 100, 50, 50)], Exactly(truth, 0.9));
        Assert.Equal([1, 0], Rounded(scores.ApSmall, scores.ApMedium));
    }

    [Fact]
    public void Recall_is_told_for_the_best_1_10_and_100_detections_of_a_class_in_an_image()
    {
        ImageObject[] truth = [.. Enumerable.Range(0, 20).Select(i => Truth(30 * i, 0, 20, 20))];
        var scores = One(truth, [.. truth.Select((one, i) => Exactly(one, 1 - i / 100.0))]);
        Assert.Equal([1 / 20.0, 10 / 20.0, 1], Rounded(scores.Ar1, scores.Ar10, scores.Ar100));
        DetectedObject[] wrong = [.. Enumerable.Range(0, 100).Select(i => Found(0.9, 0, 100 + i, 5, 5))];
        // The 101st detection is not looked at, and one of another class has places of its own.
        Assert.Equal(0, One([truth[0]], [.. wrong, Exactly(truth[0], 0.1)]).Ar100);
        var other = truth[1] with { Class = 1 };
        var both = Measure(2, ([truth[0], other], [.. wrong, Exactly(truth[0], 0.1), Exactly(other, 0.1)]));
        Assert.Equal([0, 1], Rounded(both.PerClass.Select(own => own.Ar100)));
    }

    [Fact]
    public void Images_without_objects_lower_precision_by_their_false_alarms()
    {
        var truth = Truth(0, 0, 10, 10);
        (ImageObject[], DetectedObject[]) right = ([truth], [Exactly(truth, 0.5)]);
        Assert.Equal(1, Measure(1, right, ([], [])).Ap, Digits);
        Assert.Equal(0.25, Measure(1, right, ([], [Found(0.9, 0, 0, 9, 9), Found(0.8, 0, 0, 9, 9), Found(0.7, 0, 0, 9, 9)])).Ap, Digits);
    }

    [Fact]
    public void Precision_at_a_recall_is_the_highest_at_this_or_a_higher_one()
    {
        ImageObject[] truth = [.. Enumerable.Range(0, 4).Select(i => Truth(30 * i, 0, 20, 20))];
        // right, wrong, right, right: precision 1, 1/2, 2/3, 3/4, and the fourth object is missed.
        var scores = One(truth, Exactly(truth[0], 0.9), Found(0.8, 0, 90, 9, 9), Exactly(truth[1], 0.7), Exactly(truth[2], 0.6));
        var curve = scores.Precision(0, 0);
        Assert.Equal([1, 1, 0.75, 0.75, 0, 0], new[] { 0, 25, 26, 75, 76, 100 }.Select(r => Math.Round(curve[r], Digits)));
        Assert.Equal((26 + 50 * 0.75) / 101, scores.Ap, Digits);
        Assert.Equal(0.75, scores.Recall(0, 0), Digits);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_images_are_measured_as_by_a_plain_reading_of_the_rules(int seed)
    {
        var images = Random(seed, 40, 3, ties: true);
        Assert.Equal(Plainly.Measure(3, images), Figures(Measure(3, images)), (a, b) => Math.Abs(a - b) < 1e-12);
    }

    [Fact]
    public void The_order_in_which_images_come_and_who_adds_them_change_nothing()
    {
        var images = Random(4, 60, 3, ties: true);
        var expected = Figures(Measure(3, images));
        var shuffled = Enumerable.Range(0, images.Count).ToArray();
        new Random(5).Shuffle(shuffled);
        var measured = new CocoAveragePrecision(3);
        Parallel.ForEach(shuffled, i => measured.Add(i, images[i].Truth, images[i].Found));
        Assert.Equal(expected, Figures(measured.Measure()));
    }

    [Fact]
    public void Numbers_of_images_matter_only_among_equal_scores()
    {
        var images = Random(6, 60, 3);
        var expected = Figures(Measure(3, images));
        Assert.Equal(expected, Figures(Measure(3, [.. images.Reverse()])), (a, b) => Math.Abs(a - b) < 1e-12);
    }

    [Fact]
    public void Processes_join_what_they_have_measured()
    {
        var images = Random(7, 50, 3, ties: true);
        var expected = Measure(3, images);
        // The third process has no image at all.
        var all = Ranks.Run(3, group =>
        {
            var own = new CocoAveragePrecision(3);
            foreach (var (i, image) in images.Index().Where(one => one.Index % 2 == group.Rank))
                own.Add(i, image.Truth, image.Found);
            own.Join(group);
            return own.Measure();
        });
        Assert.All(all, joined => Assert.Equal(Figures(expected), Figures(joined)));
        Assert.All(all, joined => Assert.Equal(expected.PerClass, joined.PerClass));
        Assert.All(all, joined => Assert.Equal(50, joined.Images));
    }

    [Fact]
    public void An_image_that_two_processes_have_measured_is_refused()
    {
        var error = Assert.Throws<DataException>(() => Ranks.Run(2, group =>
            {
                var own = new CocoAveragePrecision(1);
                own.Add(3, [], []);
                own.Join(group);
                return own.Measure();
            }));
        Assert.Equal("two processes have measured image 3: each image counts once", error.Message);
    }

    [Fact]
    public void Masks_are_compared_by_their_pixels_and_not_by_their_boxes()
    {
        var size = new ImageSize(20, 20);
        static byte[] Filled(Func<int, int, bool> inside) =>
            [.. Enumerable.Range(0, 400).Select(i => inside(i / 20, i % 20) ? (byte)1 : (byte)0)];
        var upper = InstanceMask.FromBitmap(size, Filled((y, x) => y <= x));
        var lower = InstanceMask.FromBitmap(size, Filled((y, x) => y > x));
        ImageObject truth = new(Box(0, 0, 20, 20), 0) { Mask = upper };
        CocoScores Of(InstanceMask mask, bool masks)
        {
            var measured = new CocoAveragePrecision(1, masks);
            measured.Add(1, [truth], [new(truth.Box, 0, 0.5, mask)]);
            return measured.Measure();
        }
        Assert.Equal([1, 1], Rounded(Of(upper, false).Ap, Of(upper, true).Ap));
        Assert.Equal([1, 0], Rounded(Of(lower, false).Ap, Of(lower, true).Ap));
        // Of its 400 pixels the whole square has 210 in common: 0.525.
        Assert.Equal(0.1, Of(InstanceMask.FromBitmap(size, Filled((_, _) => true)), true).Ap, Digits);
    }

    [Fact]
    public void The_area_of_a_detection_is_that_of_its_mask_where_masks_are_measured()
    {
        var size = new ImageSize(64, 64);
        var bitmap = new byte[64 * 64];
        bitmap.AsSpan(0, 100).Fill(1);
        var stray = InstanceMask.FromBitmap(size, bitmap);
        var all = InstanceMask.FromBitmap(size, [.. Enumerable.Repeat((byte)1, 64 * 64)]);
        ImageObject truth = new(Box(0, 0, 64, 64), 0) { Mask = all };
        var measured = new CocoAveragePrecision(1, masks: true);
        // A box of medium size around 100 pixels: a false alarm among the small ones only.
        measured.Add(1, [truth], [new(Box(0, 0, 64, 64), 0, 0.9, stray), new(truth.Box, 0, 0.5, all)]);
        Assert.Equal(1, measured.Measure().ApMedium, Digits);
    }

    [Fact]
    public void What_cannot_be_measured_is_refused()
    {
        static string Refused(Action<CocoAveragePrecision> act, bool masks = false) =>
            Assert.Throws<DataException>(() => act(new CocoAveragePrecision(2, masks))).Message;
        Assert.Equal("image 7 has class 2, but there are 2 classes", Refused(one => one.Add(7, [Truth(0, 0, 1, 1, 2)], [])));
        Assert.Equal("image 7 has class -1, but there are 2 classes", Refused(one => one.Add(7, [], [Found(0.5, 0, 0, 1, 1, -1)])));
        Assert.Equal("image 7: the score of a detection is no number", Refused(one => one.Add(7, [], [Found(double.NaN, 0, 0, 1, 1)])));
        Assert.Equal("image 7: an object has no mask, and masks are measured", Refused(one => one.Add(7, [Truth(0, 0, 1, 1)], []), true));
        Assert.Equal(
            "image 7: a detection has no mask, and masks are measured",
            Refused(one => one.Add(7, [], [Found(1, 0, 0, 1, 1)]), true)
        );
        Assert.Equal(
            "image 7 was added before: each image counts once",
            Refused(one =>
            {
                one.Add(7, [], []);
                one.Add(7, [], []);
            })
        );
        foreach (
            var thresholds in (double[][])
                [
                    [],
                    [0],
                    [1.1],
                    [0.5, 0.5],
                    [.. Enumerable.Range(1, 17).Select(i => i / 20.0)],
                ]
        )
            Assert.Throws<ArgumentException>(() => new CocoAveragePrecision(1, thresholds: thresholds));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CocoAveragePrecision(0));
    }

    [Fact]
    public void Other_thresholds_have_no_figures_at_50_and_75()
    {
        var truth = Truth(0, 0, 10, 10);
        var measured = new CocoAveragePrecision(1, thresholds: [0.3, 0.75]);
        measured.Add(1, [truth], [Found(0.9, 0, 0, 10, 5)]);
        var scores = measured.Measure();
        Assert.Equal([0.5, -1, 0], Rounded(scores.Ap, scores.Ap50, scores.Ap75));
    }

    [Fact]
    public void Metrics_have_all_figures_and_tables()
    {
        var scores = Measure(2, ([Truth(0, 0, 10, 10)], [Found(0.9, 0, 0, 10, 10)]));
        var metrics = new DetectionMetrics(1, scores, scores);
        Assert.Equal("ap", metrics.Primary);
        Assert.Equal(1, metrics.Score.Value, Digits);
        Assert.Equal(24, metrics.Scalars.Count);
        Assert.Equal(-1, metrics.Scalars["mask_ap_large"]);
        Assert.Equal(["AP 100.00 %", "AP50 100.00 %", "mask AP 100.00 %"], metrics.Headline.Select(row => row.Describe()));
        Assert.DoesNotContain(metrics.Rows, row => row.Value < 0);
        Assert.All(metrics.Curves, curve => Assert.Contains(curve.Field, metrics.Scalars));
        var tables = metrics.Tables(["cat", "dog"]);
        Assert.Equal(["per class", "per size", "masks per class", "masks per size"], tables.Select(table => table.Title));
        Assert.Equal("cat 1 1 100.00 % 100.00 % 100.00 % 100.00 % - - 100.00 %", string.Join(' ', tables[0].Rows[0]));
        Assert.Equal("dog 0 0 - - - - - - -", string.Join(' ', tables[0].Rows[1]));
        Assert.Equal(
            ["any", "at most 1,024", "1,024 to 9,216", "at least 9,216"],
            tables[1].Rows.Select(row => row[1].ToString(CultureInfo.InvariantCulture))
        );
        Assert.Equal(12, new DetectionMetrics(1, scores).Scalars.Count);
    }
}
