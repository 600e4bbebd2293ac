namespace Tessera.Training.Losses;

/// <summary>Squared distance of normalised rows, |a/|a| - b/|b||^2 = 2 - 2 cos.</summary>
public static class CosineDistance
{
    /// <summary>The distance of each row, [N], from 0 (the same direction) to 4 (opposite ones). Gradients flow to both sides.</summary>
    /// <param name="first">[N, D].</param>
    /// <param name="second">[N, D].</param>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public static Tensor Rows(Tensor first, Tensor second)
    {
        if (first.Dim != 2 || first.Shape != second.Shape)
            throw new ShapeException($"rows of shapes {first.Shape} and {second.Shape}: both must be [N, D] of the same samples");
        return Torch.Scope(() => (UnitRows.Of(first) - UnitRows.Of(second)).Square().Sum([1]));
    }

    /// <summary>The mean over the rows, a scalar.</summary>
    /// <inheritdoc cref="Rows"/>
    public static Tensor Mean(Tensor first, Tensor second) => Torch.Scope(() => Rows(first, second).Mean());
}
