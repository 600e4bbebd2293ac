using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Models.Detection;

public sealed class NmsTests : LiveTensors
{
    private static Tensor Boxes(params double[] corners) => Tensor.From(corners).Reshape(-1, 4);

    private static long[] Keep(Tensor boxes, Tensor scores, double iou, Tensor? groups = null) =>
        Nms.Keep(boxes, scores, iou, groups).ToArray<long>();

    // The definition, box by box.
    private static long[] Expected(double[][] boxes, double[] scores, double iou, long[] groups)
    {
        var kept = new List<int>();
        foreach (var j in Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]))
            if (kept.TrueForAll(i => groups[i] != groups[j] || Overlap(boxes[i], boxes[j]) <= iou))
                kept.Add(j);
        return [.. kept.Select(i => (long)i)];
    }

    private static double Overlap(double[] a, double[] b)
    {
        var width = Math.Max(Math.Min(a[2], b[2]) - Math.Max(a[0], b[0]), 0);
        var height = Math.Max(Math.Min(a[3], b[3]) - Math.Max(a[1], b[1]), 0);
        var union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height;
        return width * height / Math.Max(union, 1e-6);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(63, 1)]
    [InlineData(64, 3)]
    [InlineData(65, 1)]
    [InlineData(700, 1)]
    [InlineData(700, 2)]
    [InlineData(700, 80)]
    public void It_keeps_what_the_definition_keeps(int count, int groups)
    {
        using var scope = Torch.Scope();
        var random = new Random(count + groups);
        // On a coarse grid, so that there are equal boxes, equal overlaps and equal scores.
        double Coordinate() => random.Next(0, 40) * 0.5;
        double[][] boxes =
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ => (X: Coordinate(), Y: Coordinate()))
                .Select(at => new[] { at.X, at.Y, at.X + random.Next(1, 12), at.Y + random.Next(1, 12) }),
        ];
        double[] scores = [.. Enumerable.Range(0, count).Select(_ => random.Next(0, 50) / 64.0)];
        long[] labels = [.. Enumerable.Range(0, count).Select(_ => (long)random.Next(0, groups) * 7 - 3)];
        foreach (var iou in (double[])[0, 0.25, 0.5, 1])
        {
            var expected = Expected(boxes, scores, iou, labels);
            var (corners, points) = (Boxes([.. boxes.SelectMany(box => box)]), Tensor.From(scores));
            Assert.Equal(expected, Keep(corners, points, iou, Tensor.From(labels)));
            Assert.Equal(expected, Keep(corners.To(DType.Float32), points.To(DType.Float32), iou, Tensor.From(labels)));
            Assert.Equal(Expected(boxes, scores, iou, new long[count]), Keep(corners, points, iou));
        }
    }

    [Fact]
    public void An_overlap_of_exactly_the_threshold_is_kept_and_equal_scores_stay_in_their_order()
    {
        using var scope = Torch.Scope();
        var boxes = Boxes(0, 0, 10, 10, 0, 0, 10, 5, 0, 0, 10, 10, 20, 20, 30, 30);
        Assert.Equal([0, 1, 3], Keep(boxes, Tensor.From([0.5, 0.5, 0.5, 0.5]), 0.5));
        Assert.Equal([3, 2, 1], Keep(boxes, Tensor.From([0.5, 0.6, 0.7, 0.8]), 0.5));
        // The quotient is one of the boxes' type, the threshold a double: 0.1f is above it, 0.7f below.
        foreach (var height in (float[])[1, 3, 7])
        {
            var tall = Boxes(0, 0, 1, 10, 0, 0, 1, height).To(DType.Float32);
            Assert.Equal(height / 10f > height / 10.0 ? 1 : 2, Keep(tall, Tensor.From([0.9, 0.8]), height / 10.0).Length);
        }
    }

    [Fact]
    public void No_boxes_keep_none()
    {
        using var scope = Torch.Scope();
        var none = Nms.Keep(Torch.Zeros([0, 4]), Torch.Zeros(0), 0.5, Torch.Zeros([0], DType.Int64));
        Assert.Equal((DType.Int64, new Shape(0)), (none.DType, none.Shape));
    }

    [Fact]
    public void Boxes_without_area_drop_nothing_and_scores_that_are_no_numbers_come_last()
    {
        using var scope = Torch.Scope();
        var boxes = Boxes(5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 10, 10, 1e-5, 1e-5, 2e-5, 2e-5);
        Assert.Equal([1, 3, 2, 0], Keep(boxes, Tensor.From([double.NaN, 0.9, 0.1, 0.2]), 0.5));
    }

    [Fact]
    public void Twenty_thousand_boxes_are_kept_the_same_by_one_thread_and_by_two()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var corner = Torch.Rand([20_000, 2]) * 500;
        var boxes = Torch.Cat([corner, corner + Torch.Rand([20_000, 2]) * 60 + 1], 1);
        var scores = Torch.Rand(20_000);
        var groups = Torch.Randint(0, 5, [20_000], dtype: DType.Int64);
        foreach (var labels in (Tensor?[])[null, groups])
        {
            var (one, two) = OneAndTwo.Threads(() => [Nms.Keep(boxes, scores, 0.5, labels)]);
            Near.Identical(one[0], two[0]);
            Assert.InRange(one[0].Elements, 200, 19_999);
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_named()
    {
        using var scope = Torch.Scope();
        var boxes = Torch.Zeros([3, 4]);
        void Refused(Func<Tensor> call, string words) =>
            Assert.Contains(words, Assert.Throws<ShapeException>(call).Message, StringComparison.Ordinal);
        Refused(() => Nms.Keep(Torch.Zeros([3, 5]), Torch.Zeros(3), 0.5), "the boxes have to be [n, 4]");
        Refused(() => Nms.Keep(boxes, Torch.Zeros(2), 0.5), "the scores have to be [3]");
        Refused(() => Nms.Keep(boxes, Torch.Zeros(3), 0.5, Torch.Zeros([4], DType.Int64)), "the groups have to be [3]");
        Assert.Throws<TorchTypeException>(() => Nms.Keep(boxes, Torch.Zeros(3), 0.5, Torch.Zeros(3)));
    }
}
