namespace Tessera.Training.Losses;

/// <summary>Rows divided by their length.</summary>
internal static class UnitRows
{
    // Under the root, so that a row of zeros stays one.
    private const double LeastSquare = 1e-12;

    /// <summary>Each row over its length, or over 1e-6 where that is longer. Those of 16 bits become float32.</summary>
    /// <param name="rows">[N, D].</param>
    internal static Tensor Of(Tensor rows)
    {
        var wide = Wide(rows);
        return wide * wide.Square().Sum([1], true).ClampMin(LeastSquare).Rsqrt();
    }

    /// <summary>Numbers of 16 bits as float32, others as they are.</summary>
    internal static Tensor Wide(Tensor values) => values.DType is DType.BFloat16 or DType.Float16 ? values.To(DType.Float32) : values;
}
