namespace Tessera.Training.Losses;

/// <summary>
/// The contrastive loss of descriptors with labels (El-Nouby et al., "Training Vision Transformers for Image Retrieval", 2021,
/// arXiv:2102.05644, equation 1): descriptors of a class are drawn together, others are pushed below a margin of similarity.
/// </summary>
public static class MarginContrast
{
    // Pairs that are as similar as this are one vector twice (msight-tech/research-xbm).
    private const double OneVector = 1 - 1e-5;

    /// <summary>
    /// The sum over all pairs, divided by the number of rows: 1 - s for a pair of a class, of similarity s, and max(s - margin, 0) for
    /// others.
    /// </summary>
    /// <param name="rows">Descriptors of length 1, [N, D].</param>
    /// <param name="labels">Their classes, int64, [N].</param>
    /// <param name="others">
    /// What each row is compared with, of length 1, [M, D]: the rows themselves, or a memory without a gradient.
    /// </param>
    /// <param name="otherLabels">Their classes, int64, [M].</param>
    /// <param name="margin">Similarity that pairs of different classes may have.</param>
    /// <param name="form">Which form its value has.</param>
    /// <returns>A scalar; 0 without others.</returns>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Tensor Of(
        Tensor rows,
        Tensor labels,
        Tensor others,
        Tensor otherLabels,
        double margin,
        ContrastiveForm form = ContrastiveForm.Paper
    )
    {
        if (rows.Dim != 2 || others.Dim != 2 || rows.Size(1) != others.Size(1) || rows.Size(0) == 0)
            throw new ShapeException($"descriptors of shape {rows.Shape} beside {others.Shape}: they must be [N, D] and [M, D]");
        if (labels.Shape != new Shape(rows.Size(0)) || otherLabels.Shape != new Shape(others.Size(0)))
            throw new ShapeException(
                $"classes of shapes {labels.Shape} and {otherLabels.Shape} for descriptors of {rows.Shape} and {others.Shape}: each must "
                    + "have one class"
            );
        return Torch.Scope(() =>
        {
            using var exact = Torch.Autocast(device: rows.Device.Type, enabled: false);
            var similarity = rows.Matmul(others.To(rows.DType).MT); // [N, M]
            var (near, far) =
                form == ContrastiveForm.Paper
                    ? (1 - similarity, (similarity - margin).Relu())
                    : ((1 - similarity) * Where(similarity < OneVector), similarity * Where(similarity > margin));
            return Torch.Where(labels.Unsqueeze(1).Eq(otherLabels), near, far).Sum() / rows.Size(0);
        });

        Tensor Where(Tensor mask) => mask.To(rows.DType);
    }
}
