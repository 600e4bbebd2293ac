namespace Tessera.Training.Losses;

/// <summary>The compound loss of RevCol's heads and decoders (Cai et al., 2022, arXiv:2212.11696, section 2.3).</summary>
public static class ColumnSupervision
{
    /// <summary>
    /// The last head's cross-entropy, and for every head before it that of its logits and the binary cross-entropy of its
    /// reconstruction: the weight of the image falls from column to column, that of the label rises. Parts are <c>column0</c>, ...
    /// </summary>
    /// <param name="logits">Logits of the K heads from the first column to the last, [B, classes] each.</param>
    /// <param name="reconstructions">Images of the K - 1 decoders before the sigmoid, [B, 3, H, W] each.</param>
    /// <param name="image">The image with values in [0, 1] (the normalisation undone), [B, 3, H, W].</param>
    /// <param name="targets">Labels, int64 [B], or distributions over the classes [B, classes].</param>
    /// <param name="imageWeight">Weight of the first reconstruction, at least 0; it falls in equal steps towards 0.</param>
    /// <param name="classWeight">Largest weight of the heads before the last, at least 0; head i (from 1) of K has i / K of it.</param>
    /// <param name="smoothing">Label smoothing of int64 labels, in [0, 1); distributions stay as they are.</param>
    public static Loss Loss(
        IReadOnlyList<Tensor> logits,
        IReadOnlyList<Tensor> reconstructions,
        Tensor image,
        Tensor targets,
        double imageWeight = 3,
        double classWeight = 0.7,
        double smoothing = 0.1
    )
    {
        if (reconstructions.Count != logits.Count - 1)
            throw new ArgumentException(
                $"{logits.Count} heads need {logits.Count - 1} reconstructions, not {reconstructions.Count}",
                nameof(reconstructions)
            );
        using var scope = new Scope();
        var painted = image.Clamp(0.01, 0.99);
        var parts = new List<Tensor>();
        for (var i = 0; i < reconstructions.Count; i++)
        {
            var picture = (1 - i / (double)reconstructions.Count) * imageWeight * reconstructions[i].BinaryCrossEntropyWithLogits(painted);
            parts.Add(picture + (i + 1.0) / logits.Count * classWeight * Classification(logits[i]));
        }
        parts.Add(Classification(logits[^1]));
        return scope.Return(
            new Loss(parts.Aggregate((a, b) => a + b))
            {
                Parts = parts.Index().ToDictionary(part => $"column{part.Index}", part => part.Item.Detach()),
            }
        );

        Tensor Classification(Tensor x) => x.CrossEntropyLoss(targets, labelSmoothing: targets.Dim == 1 ? smoothing : 0);
    }
}
