namespace Tessera.Search.Costs;

/// <summary>Symmetric positive definite matrices.</summary>
internal static class Symmetric
{
    /// <summary>Replaces a matrix by its inverse (Gauss and Jordan, without pivots, which such a matrix does not need).</summary>
    /// <param name="matrix">Its rows.</param>
    internal static void Invert(double[][] matrix)
    {
        var count = matrix.Length;
        for (var p = 0; p < count; p++)
        {
            var pivot = 1 / matrix[p][p];
            for (var j = 0; j < count; j++)
                matrix[p][j] *= j == p ? 0 : pivot;
            for (var i = 0; i < count; i++)
            {
                if (i == p)
                    continue;
                var factor = matrix[i][p];
                for (var j = 0; j < count; j++)
                    matrix[i][j] -= j == p ? 0 : factor * matrix[p][j];
                matrix[i][p] = -factor * pivot;
            }
            matrix[p][p] = pivot;
        }
    }
}
