namespace Tessera.Training.Losses;

/// <summary>
/// The contrastive loss of tuples for particular objects (Radenovic, Tolias and Chum, "Fine-tuning CNN Image Retrieval with No Human
/// Annotation", 2019, arXiv:1711.02512, equation 5): half of the squared distance between an image and another of the same object, and half
/// of the squared part of the margin that an image of something else is too near by.
/// </summary>
public static class TupleContrast
{
    /// <summary>The sum over the pairs of a tuple, as a mean over the tuples.</summary>
    /// <param name="anchors">Descriptors of length 1, a row for each tuple, [T, D].</param>
    /// <param name="positives">Of another image of the same object, [T, D].</param>
    /// <param name="negatives">Of images of something else, in any number for each tuple, [K, D].</param>
    /// <param name="tuples">The tuple that each of them belongs to, int64, [K].</param>
    /// <param name="margin">Distance that images of something else should have, from 0 to 2.</param>
    /// <returns>A scalar.</returns>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Tensor Of(Tensor anchors, Tensor positives, Tensor negatives, Tensor tuples, double margin)
    {
        if (anchors.Dim != 2 || anchors.Shape != positives.Shape || anchors.Size(0) == 0)
            throw new ShapeException($"anchors of shape {anchors.Shape} and positives of {positives.Shape}: both must be [T, D]");
        if (negatives.Dim != 2 || negatives.Size(1) != anchors.Size(1) || tuples.Shape != new Shape(negatives.Size(0)))
            throw new ShapeException(
                $"negatives of shape {negatives.Shape} of tuples {tuples.Shape}: they must be [K, {anchors.Size(1)}] and [K]"
            );
        return Torch.Scope(() =>
        {
            using var exact = Torch.Autocast(device: anchors.Device.Type, enabled: false);
            var near = (anchors - positives).Square().Sum();
            var distances = (anchors.IndexSelect(0, tuples) - negatives).LinalgVectorNorm(2, [1]);
            return (near + (margin - distances).Relu().Square().Sum()) / (2 * anchors.Size(0));
        });
    }
}
