namespace Tessera.Training.Tasks.Generation;

/// <summary>
/// Images on the way from one to another: random vectors on the arc between theirs, which stay as long as those of the two ends, so that
/// each is as likely as they are (White, 2016, arXiv:1609.04468).
/// </summary>
public static class LatentArc
{
    // Vectors that point the same way have no arc between them.
    private const double Parallel = 1e-6;

    /// <summary>The images on the way, [1, C, H, W] each; the first and the last are the two ends.</summary>
    /// <param name="images">The images of a seed.</param>
    /// <param name="from">Number of the first.</param>
    /// <param name="to">Number of the last.</param>
    /// <param name="steps">Number of images, at least 2.</param>
    public static IEnumerable<Tensor> Between(GeneratedImages images, long from, long to, int steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 2);
        return Enumerable
            .Range(0, steps)
            // One noise for the whole row: what changes is the vector alone.
            .Select(step =>
                images.Image(Vector(images.Vector(from).ToArray<float>(), images.Vector(to).ToArray<float>(), step / (steps - 1.0)), from)
            );
    }

    /// <summary>A vector on the arc, [1, W].</summary>
    /// <param name="from">The vector at 0.</param>
    /// <param name="to">The vector at 1.</param>
    /// <param name="share">Place on the arc, in [0, 1].</param>
    internal static Tensor Vector(float[] from, float[] to, double share)
    {
        var (first, second) = (Length(from), Length(to));
        var cosine = from.Zip(to, (a, b) => (double)a * b).Sum() / (first * second);
        var angle = Math.Acos(Math.Clamp(cosine, -1, 1));
        var (a, b) =
            Math.Sin(angle) < Parallel
                ? (1 - share, share)
                : (Math.Sin((1 - share) * angle) / Math.Sin(angle), Math.Sin(share * angle) / Math.Sin(angle));
        return Tensor.From([.. from.Zip(to, (x, y) => (float)(a * x + b * y))], 1, from.Length);

        static double Length(float[] vector) => Math.Sqrt(vector.Sum(value => (double)value * value));
    }
}
