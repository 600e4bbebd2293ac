using Tessera.Testing;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>Losses of descriptors beside plain loops over numbers.</summary>
[Collection("engine")]
public sealed class RetrievalLossTests : IDisposable
{
    private static readonly long[] classes = [0, 0, 1, 2, 1, 0];

    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static Tensor Rows(int count, int seed)
    {
        Torch.Seed((ulong)seed);
        var rows = Torch.Randn([count, 4], DType.Float64);
        return rows / rows.LinalgVectorNorm(2, [1], true);
    }

    private static double Dot(Tensor a, int i, Tensor b, int j) => (a[i] * b[j]).Sum().ToDouble();

    [Theory]
    [InlineData(ContrastiveForm.Paper, 0.5)]
    [InlineData(ContrastiveForm.Paper, -0.2)]
    [InlineData(ContrastiveForm.CrossBatch, 0.5)]
    [InlineData(ContrastiveForm.CrossBatch, 0)]
    public void The_contrastive_loss_is_that_of_all_pairs(ContrastiveForm form, double margin)
    {
        var (rows, others) = (Rows(4, 1), Rows(6, 2));
        long[] own = [0, 1, 2, 3];
        double expected = 0;
        for (var i = 0; i < 4; i++)
        for (var j = 0; j < 6; j++)
        {
            var s = Dot(rows, i, others, j);
            if (own[i] == classes[j])
                expected += 1 - s;
            else if (s > margin)
                expected += form == ContrastiveForm.Paper ? s - margin : s;
        }
        Assert.Equal(expected / 4, MarginContrast.Of(rows, Tensor.From(own), others, Tensor.From(classes), margin, form).ToDouble(), 1e-12);
    }

    [Fact]
    public void Both_forms_have_the_same_gradient_and_a_row_costs_nothing_beside_itself()
    {
        var labels = Tensor.From(classes);
        Tensor Gradient(ContrastiveForm form)
        {
            var raw = Rows(6, 3).Detach().Clone();
            raw.RequiresGrad = true;
            var rows = InfoNce.Normalize(raw);
            MarginContrast.Of(rows, labels, rows, labels, 0.1, form).Backward();
            return raw.Grad!;
        }
        Near.Equal(Gradient(ContrastiveForm.Paper), Gradient(ContrastiveForm.CrossBatch), 1e-12);
        var alone = Rows(1, 4);
        Assert.Equal(0, MarginContrast.Of(alone, Tensor.From<long>([7]), alone, Tensor.From<long>([7]), 0.5).ToDouble(), 1e-12);
    }

    [Fact]
    public void The_gradient_is_right()
    {
        var (raw, others) = (Rows(6, 5).Detach().Clone() * 2, Rows(5, 6));
        raw.RequiresGrad = true;
        GradientCheck.Holds(
            inputs =>
            {
                var rows = InfoNce.Normalize(inputs[0]);
                return MarginContrast.Of(rows, Tensor.From(classes), others, Tensor.From<long>([0, 1, 2, 3, 0]), 0.3)
                    + KoLeo.Of(KoLeo.Distances(rows, rows, KoLeo.Nearest(rows, rows)));
            },
            raw
        );
    }

    [Fact]
    public void The_entropy_goes_by_the_nearest_other_row()
    {
        var rows = Rows(7, 7);
        var (values, nearest) = (0.0, KoLeo.Nearest(rows, rows).ToArray<long>());
        for (var i = 0; i < 7; i++)
        {
            var others = Enumerable.Range(0, 7).Where(j => j != i).ToArray();
            Assert.Equal(others.MaxBy(j => Dot(rows, i, rows, j)), nearest[i]);
            values -= Math.Log(others.Min(j => (rows[i] - rows[j]).LinalgVectorNorm().ToDouble()) + 1e-8) / 7;
        }
        var loss = KoLeo.Of(KoLeo.Distances(rows, rows, KoLeo.Nearest(rows, rows)));
        Assert.Equal(values, loss.ToDouble(), 1e-12);
        // The rows of a process among those of all.
        Assert.Equal(nearest[3..5], KoLeo.Nearest(rows.Slice(0, 3, 5), rows, 3).ToArray<long>());
    }

    [Fact]
    public void Two_opposite_rows_are_neighbours_and_equal_ones_have_a_number_and_no_gradient()
    {
        var opposite = Tensor.From([1.0, 0, -1, 0], 2, 2);
        Assert.Equal([1L, 0], KoLeo.Nearest(opposite, opposite).ToArray<long>());
        var equal = Tensor.From([0.6, 0.8, 0.6, 0.8], 2, 2);
        equal.RequiresGrad = true;
        var loss = KoLeo.Of(KoLeo.Distances(equal, equal, KoLeo.Nearest(equal, equal)));
        loss.Backward();
        Assert.Equal(-Math.Log(1e-8), loss.ToDouble(), 1e-9);
        Near.Values(equal.Grad!, 0, 0, 0, 0, 0);
    }

    [Fact]
    public void Tuples_count_by_the_squares_of_distances()
    {
        var (anchors, positives, negatives) = (Rows(2, 8), Rows(2, 9), Rows(3, 10));
        long[] tuples = [0, 1, 1];
        double Distance(Tensor a, int i, Tensor b, int j) => (a[i] - b[j]).LinalgVectorNorm().ToDouble();
        var expected = 0.0;
        for (var i = 0; i < 2; i++)
            expected += 0.5 * Math.Pow(Distance(anchors, i, positives, i), 2);
        for (var k = 0; k < 3; k++)
            expected += 0.5 * Math.Pow(Math.Max(1.5 - Distance(anchors, (int)tuples[k], negatives, k), 0), 2);
        var loss = TupleContrast.Of(anchors, positives, negatives, Tensor.From(tuples), 1.5);
        Assert.Equal(expected / 2, loss.ToDouble(), 1e-12);
        // A negative that is the anchor itself leaves a number.
        anchors.RequiresGrad = true;
        TupleContrast.Of(anchors, positives, anchors.Slice(0, 0, 1), Tensor.From<long>([0]), 0.85).Backward();
        Assert.Equal(1, anchors.Grad!.Isfinite().All().ToDouble());
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        var (rows, labels) = (Rows(6, 1), Tensor.From(classes));
        Assert.Throws<ShapeException>(() => MarginContrast.Of(rows, labels, Torch.Zeros([2, 3]), labels, 0.5));
        Assert.Throws<ShapeException>(() => MarginContrast.Of(rows, labels, rows, labels.Slice(0, 0, 2), 0.5));
        Assert.Throws<ShapeException>(() => KoLeo.Nearest(rows.Slice(0, 0, 1), rows.Slice(0, 0, 1)));
        Assert.Throws<ShapeException>(() => TupleContrast.Of(rows, rows.Slice(0, 0, 2), rows, labels, 0.5));
        Assert.Throws<ShapeException>(() => TupleContrast.Of(rows, rows, rows, labels.Slice(0, 0, 2), 0.5));
    }
}
