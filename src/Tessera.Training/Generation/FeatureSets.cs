namespace Tessera.Training.Generation;

/// <summary>What the measures of two sets of features demand.</summary>
internal static class FeatureSets
{
    /// <summary>Refuses sets that cannot be compared.</summary>
    /// <param name="real">To be [N, D].</param>
    /// <param name="fake">To be [M, D].</param>
    /// <param name="least">The smallest number of features of a set.</param>
    /// <exception cref="ShapeException">The shapes do not fit, or there are too few features.</exception>
    internal static void Check(Tensor real, Tensor fake, int least)
    {
        if (real.Dim != 2 || fake.Dim != 2 || real.Size(1) != fake.Size(1))
            throw new ShapeException($"features of shapes {real.Shape} and {fake.Shape}: they must be [N, D] and [M, D]");
        if (real.Size(0) < least || fake.Size(0) < least)
            throw new ShapeException(
                $"{real.Size(0)} real and {fake.Size(0)} generated features: there must be at least {least} of each for this figure"
            );
    }
}
