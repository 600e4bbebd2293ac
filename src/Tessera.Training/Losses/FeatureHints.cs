namespace Tessera.Training.Losses;

/// <summary>
/// The losses between a ViT and its agent CNN (Zhang et al., 2022, arXiv:2112.03552, section 3.3). Whatever is imitated is a
/// constant: gradients flow to the imitator alone.
/// </summary>
public static class FeatureHints
{
    /// <summary>Mean squared difference of two sequences of tokens, each token normalised over its channels.</summary>
    /// <param name="student">Student's patch tokens, [B, N, C].</param>
    /// <param name="target">Tokens to imitate, [B, M, C]; the longer sequence is shortened by averaging runs of neighbours.</param>
    /// <param name="normalize">Normalises each token over its channels (the default); false compares tokens as they are.</param>
    /// <param name="resample">Shortens the longer sequence (the default); false refuses sequences of different lengths.</param>
    /// <exception cref="ShapeException">The longer length is no multiple of the shorter, or they differ without resampling.</exception>
    public static Tensor Hint(Tensor student, Tensor target, bool normalize = true, bool resample = true) =>
        Torch.Scope(() =>
        {
            target = target.Detach();
            var (ours, theirs) = (student.Size(1), target.Size(1));
            if (ours != theirs && !resample)
                throw new ShapeException($"student and target must have the same number of tokens, not {ours} and {theirs}");
            if (ours > theirs)
                student = Shorten(student, theirs);
            else if (theirs > ours)
                target = Shorten(target, ours);
            return (Normalize(student) - Normalize(target)).Square().Mean();

            Tensor Normalize(Tensor x) => normalize ? Torch.LayerNorm(x, x.Size(-1), null, null, 1e-5) : x;
        });

    // Runs of tokens in raster order: of a row of the map, not of a square.
    private static Tensor Shorten(Tensor tokens, long length)
    {
        var (batch, count, channels) = tokens.Shape;
        if (count % length != 0)
            throw new ShapeException($"{count} tokens cannot be averaged to {length}: {count} must be a multiple of {length}");
        return tokens.Reshape(batch, length, count / length, channels).Mean(2);
    }

    /// <summary>Distillation by T^2 times the divergence from the teacher's softened distribution, mean over the batch.</summary>
    /// <param name="student">Student's logits, [B, K].</param>
    /// <param name="teacher">Teacher's logits, [B, K]; no gradient flows to them.</param>
    /// <param name="temperature">T, above 0; divides the logits of both.</param>
    public static Tensor Distillation(Tensor student, Tensor teacher, double temperature) =>
        ClassificationLosses.FromTeacher(student, teacher.Detach(), DistillationKind.Soft, temperature, perBatch: true);

    /// <summary>Weight of the hints over time: from 1 in epoch 0 along a straight line to 0 after the last.</summary>
    /// <param name="epoch">Number of the epoch, from 0.</param>
    /// <param name="epochs">Number of epochs, at least 1; the weight stays 0 after them.</param>
    public static double Decay(int epoch, int epochs) => Math.Max(0, 1 - epoch / (double)epochs);
}
