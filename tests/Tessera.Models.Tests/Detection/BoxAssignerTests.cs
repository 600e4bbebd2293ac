using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Models.Detection;

public sealed class BoxAssignerTests : LiveTensors
{
    private static readonly BoxAssigner retina = new(0.5, 0.4, 0);

    private static float[] Draw(Random random, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .SelectMany(_ =>
                {
                    // Quarters, so that many overlaps are equal.
                    var (x, y) = (random.Next(60) / 4f, random.Next(60) / 4f);
                    return (float[])[x, y, x + 0.25f + random.Next(40) / 4f, y + 0.25f + random.Next(40) / 4f];
                }),
        ];

    private static T[][] Rows<T>(T[] values) => [.. values.Chunk(4)];

    private static double Overlap(float[] a, float[] b)
    {
        var width = Math.Max(Math.Min(a[2], b[2]) - Math.Max(a[0], b[0]), 0);
        var height = Math.Max(Math.Min(a[3], b[3]) - Math.Max(a[1], b[1]), 0);
        var common = width * height;
        return common / Math.Max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common, 1e-6f);
    }

    // The definition, box by box.
    private static (int[] Objects, double[] Overlaps) Expected(BoxAssigner rule, float[][] boxes, float[][] objects)
    {
        double[][] overlaps = [.. boxes.Select(box => objects.Select(thing => Overlap(thing, box)).ToArray())];
        double[] best = [.. overlaps.Select(row => row.Max())];
        int[] nearest = [.. overlaps.Select((row, i) => Array.IndexOf(row, best[i]))];
        int[] assigned =
        [
            .. best.Select(
                (value, i) =>
                    value >= (float)rule.Positive ? nearest[i] + 1
                    : value < (float)rule.Negative ? 0
                    : -1
            ),
        ];
        for (var k = 0; k < objects.Length; k++)
        {
            var most = overlaps.Max(row => row[k]);
            for (var i = 0; i < boxes.Length; i++)
                if (most >= rule.LeastPositive && overlaps[i][k] == most)
                    assigned[i] = (rule.NearestWins ? nearest[i] : k) + 1;
        }
        return (assigned, best);
    }

    [Theory]
    [InlineData(1, 1, false)]
    [InlineData(7, 3, false)]
    [InlineData(8, 2, true)]
    [InlineData(501, 9, false)]
    [InlineData(501, 9, true)]
    public void It_assigns_by_the_definition_whatever_the_number_of_boxes(int boxes, int objects, bool nearestWins)
    {
        using var scope = Torch.Scope();
        var random = new Random(boxes * 31 + objects);
        var (all, truth) = (Draw(random, boxes), Draw(random, objects));
        foreach (var rule in new[] { retina, new(0.7, 0.3, 0.3), new(0.5, 0.5, 0.5) })
        {
            var own = rule with { NearestWins = nearestWins };
            var expected = Expected(own, Rows(all), Rows(truth));
            var (assigned, overlaps) = own.Assign(Tensor.From(all, boxes, 4), Tensor.From(truth, objects, 4));
            Assert.Equal(expected.Objects, assigned);
            Assert.Equal(expected.Overlaps, overlaps);
        }
    }

    [Fact]
    public void Without_objects_all_is_background()
    {
        using var scope = Torch.Scope();
        var (assigned, overlaps) = retina.Assign(Tensor.From(Draw(new(1), 30), 30, 4), Torch.Zeros([0, 4]));
        Assert.All(assigned, number => Assert.Equal(BoxAssigner.Background, number));
        Assert.All(overlaps, overlap => Assert.Equal(0, overlap));
        Assert.Empty(retina.Assign(Torch.Zeros([0, 4]), Torch.Ones([1, 4])).Objects);
    }
}
