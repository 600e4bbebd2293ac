using Tessera.Retrieval;

namespace Tessera.Cli.Search;

/// <summary>Descriptors of fewer numbers by principal components, of length 1 again (El-Nouby et al., 2021, section 4.4).</summary>
internal sealed class Reduction
{
    private readonly Tensor mean, // [1, D]
        rows; // [d, D]

    /// <summary>That of an index; its tensors are owned by the current scope.</summary>
    internal Reduction(VectorProjection projection)
    {
        var width = projection.Mean.Length;
        mean = Tensor.From(projection.Mean.ToArray(), 1, width);
        rows = Tensor.From(projection.Rows.ToArray(), projection.Rows.Length / width, width);
    }

    /// <summary>Fits one: the directions in which descriptors differ most.</summary>
    /// <param name="vectors">[N, D], more than there will be numbers.</param>
    /// <param name="numbers">Numbers that are left.</param>
    internal static VectorProjection Fit(Tensor vectors, int numbers)
    {
        using var scope = new Scope();
        var all = vectors.To(DType.Float64);
        var mean = all.Mean([0], true);
        var centred = all - mean;
        // Eigenvalues come from small to large.
        var (_, directions) = (centred.MT.Matmul(centred) / (all.Size(0) - 1)).LinalgEigh();
        var width = all.Size(1);
        var rows = directions.Slice(1, width - numbers, width).Flip([1]).MT.Contiguous();
        return new(mean.To(DType.Float32).ToArray<float>(), rows.To(DType.Float32).ToArray<float>());
    }

    /// <summary>Reduces descriptors.</summary>
    /// <param name="vectors">[N, D].</param>
    /// <returns>[N, d].</returns>
    internal Tensor Of(Tensor vectors) =>
        Torch.Scope(() =>
        {
            var reduced = (vectors - mean).Matmul(rows.MT);
            return reduced / reduced.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
        });

    /// <summary>Share of the variance of descriptors that is left.</summary>
    internal double Kept(Tensor vectors)
    {
        using var scope = new Scope();
        var centred = (vectors - mean).To(DType.Float64);
        return (centred.Matmul(rows.MT.To(DType.Float64)).Square().Sum() / centred.Square().Sum().ClampMin(1e-300)).ToDouble();
    }
}
