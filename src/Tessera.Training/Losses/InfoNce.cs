namespace Tessera.Training.Losses;

/// <summary>
/// The loss of contrastive methods with a queue of negatives (van den Oord et al., 2018, arXiv:1807.03748; He et al., 2020,
/// arXiv:1911.05722, equation 1): a query must tell its own key from all features of the queue.
/// </summary>
public static class InfoNce
{
    /// <summary>Rows divided by their length, or by 1e-12 where that is longer. Half types become float32.</summary>
    /// <param name="rows">[N, D].</param>
    public static Tensor Normalize(Tensor rows) =>
        Torch.Scope(() =>
        {
            var wide = UnitRows.Wide(rows);
            return wide / wide.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
        });

    /// <summary>Similarity of each query with its key, then with the features of the queue, over the temperature, [N, 1 + K].</summary>
    /// <param name="queries">Normalised, [N, D].</param>
    /// <param name="keys">Normalised, without a gradient, [N, D]: row n is of the same sample as that of the queries.</param>
    /// <param name="queue">Negatives, one per column, [D, K].</param>
    /// <param name="temperature">Above 0.</param>
    public static Tensor Logits(Tensor queries, Tensor keys, Tensor queue, double temperature) =>
        Torch.Scope(() =>
        {
            // In full precision, whatever the encoders compute in.
            using var exact = Torch.Autocast(device: queries.Device.Type, enabled: false);
            var own = (queries * keys).Sum([1], true);
            return Torch.Cat([own, queries.Matmul(queue.To(queries.DType))], 1) / temperature;
        });

    /// <summary>Cross entropy with the own key as the right answer, mean over the queries.</summary>
    /// <param name="logits">As <see cref="Logits"/> gives them, [N, 1 + K].</param>
    public static Tensor Loss(Tensor logits) =>
        Torch.Scope(() => logits.CrossEntropyLoss(Torch.Zeros([logits.Size(0)], DType.Int64, device: logits.Device)));
}
