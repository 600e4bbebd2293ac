namespace Tessera.Training.Losses;

/// <summary>Squared distance of normalised rows, |a/|a| - b/|b||^2 = 2 - 2 cos.</summary>
public static class CosineDistance
{
    /// <summary>Its mean over the rows, a scalar from 0 to 4.</summary>
    /// <param name="first">[N, D].</param>
    /// <param name="second">[N, D].</param>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public static Tensor Mean(Tensor first, Tensor second)
    {
        if (first.Dim != 2 || first.Shape != second.Shape)
            throw new ShapeException($"rows of shapes {first.Shape} and {second.Shape}: both must be [N, D] of the same samples");
        return Torch.Scope(() => 2 - 2 * (UnitRows.Of(first) * UnitRows.Of(second)).Sum([1]).Mean());
    }
}
