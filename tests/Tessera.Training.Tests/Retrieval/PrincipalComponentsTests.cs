using Tessera.Testing;
using Tessera.Training.Probes;

namespace Tessera.Training.Tests.Retrieval;

[Collection("engine")]
public sealed class PrincipalComponentsTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    // Wide in few directions, off the origin, of length 1.
    private static Tensor Descriptors(int count = 60, int width = 8, ulong seed = 1)
    {
        Torch.Seed(seed);
        var rows = Torch.Randn([count, width], DType.Float64) / (Torch.Arange(width, dtype: DType.Float64) + 1) + 0.5;
        return rows / rows.LinalgVectorNorm(2, [1], true);
    }

    [Fact]
    public void Directions_are_orthonormal_and_their_variances_are_those_of_the_projections()
    {
        var rows = Descriptors();
        var found = PrincipalComponents.Fit(rows, 3);
        Assert.Equal((8, 3), (found.InputWidth, found.Width));
        var directions = Tensor.From(found.Rows.ToArray(), 3, 8);
        Near.Equal(Torch.Eye(3, DType.Float64), directions.Matmul(directions.MT), 1e-12);
        var projected = (rows - rows.Mean([0])).Matmul(directions.MT);
        Near.Values(projected.Var([0]), 1e-12, [.. found.ExplainedVariance]);
        Assert.Equal(found.ExplainedVariance.OrderDescending(), found.ExplainedVariance);
        Assert.Equal(rows.Var([0]).Sum().ToDouble(), found.TotalVariance, 1e-12);
        // No other three directions have more.
        Torch.Seed(2);
        var (other, _) = Torch.LinalgQr(Torch.Randn([8, 3], DType.Float64));
        Assert.True((rows - rows.Mean([0])).Matmul(other).Var([0]).Sum().ToDouble() < found.ExplainedVariance.Sum());
    }

    [Fact]
    public void All_directions_keep_the_angles_around_the_mean()
    {
        var rows = Descriptors();
        var centred = InfoNce.Normalize(rows - rows.Mean([0]));
        var reduced = PrincipalComponents.Fit(rows, 8).Project(rows);
        Near.Equal(centred.Matmul(centred.MT), reduced.Matmul(reduced.MT), 1e-10);
    }

    [Fact]
    public void Batches_are_as_good_as_all_at_once()
    {
        var rows = Descriptors();
        var whole = PrincipalComponents.Fit(rows, 4);
        var parts = PrincipalComponents.Fit([rows.Slice(0, 0, 1), rows.Slice(0, 0, 0), rows.Slice(0, 1, 40), rows.Slice(0, 40)], 4);
        Near.Equal(Tensor.From(whole.Mean.ToArray()), Tensor.From(parts.Mean.ToArray()), 1e-12);
        Near.Values(Tensor.From([.. parts.ExplainedVariance]), 1e-12, [.. whole.ExplainedVariance]);
        // The sign of a direction is free.
        Tensor Gram(PrincipalComponents found) => found.Project(rows).Matmul(found.Project(rows).MT);
        Near.Equal(Gram(whole), Gram(parts), 1e-10);
    }

    [Fact]
    public void A_mean_and_rows_are_all_of_it()
    {
        var (rows, found) = (Descriptors(), PrincipalComponents.Fit(Descriptors(), 2));
        var stored = new PrincipalComponents(found.Mean, found.Rows);
        Near.Identical(found.Project(rows), stored.Project(rows));
        var narrow = stored.Project(rows.To(DType.Float32));
        Assert.Equal(DType.Float32, narrow.DType);
        Near.Equal(found.Project(rows), narrow.To(DType.Float64), 1e-5);
        Near.Values(narrow.LinalgVectorNorm(2, [1]), 1e-6, [.. Enumerable.Repeat(1.0, 60)]);
    }

    [Fact]
    public void Whitened_directions_vary_alike()
    {
        var rows = Descriptors();
        var white = PrincipalComponents.Fit(rows, 5, whiten: true);
        var projected = (rows - rows.Mean([0])).Matmul(Tensor.From(white.Rows.ToArray(), 5, 8).MT);
        Near.Values(projected.Var([0]), 1e-10, 1, 1, 1, 1, 1);
        // Two directions have all of the variance.
        var flat = Descriptors(30, 2).Matmul(Torch.Eye(2, DType.Float64).Matmul(Torch.Ones([2, 4], DType.Float64).Triu()));
        Assert.Contains(
            "fewer than 3 directions",
            Assert.Throws<ArgumentException>(() => PrincipalComponents.Fit(flat, 3, whiten: true)).Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData(60, 9, "60 descriptors of 8 values have at most 8 principal components, and 9 are wanted")]
    [InlineData(4, 4, "4 descriptors of 8 values have at most 3 principal components, and 4 are wanted")]
    public void More_directions_than_there_are_are_refused(int count, int width, string problem) =>
        Assert.Contains(
            problem,
            Assert.Throws<ArgumentException>(() => PrincipalComponents.Fit(Descriptors(count), width)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => PrincipalComponents.Fit(Descriptors(), 0));
        Assert.Throws<ArgumentException>(() => PrincipalComponents.Fit((IEnumerable<Tensor>)[], 1));
        Assert.Throws<ShapeException>(() => PrincipalComponents.Fit([Descriptors(), Descriptors(5, 4)], 1));
        Assert.Throws<ShapeException>(() => PrincipalComponents.Fit(Descriptors(), 2).Project(Torch.Zeros([1, 5])));
        Assert.Throws<ArgumentException>(() => new PrincipalComponents([0, 0], [1, 0, 0]));
    }
}
