namespace Tessera.Training.Probes;

/// <summary>
/// Logistic regression by L-BFGS (Liu and Nocedal, 1989) in float64: the mean cross entropy of all samples with half the decay times the
/// squared length of the weights, biases left out, which has one minimum.
/// </summary>
internal static class LogisticRegression
{
    private const int Memory = 10,
        MostHalvings = 30;

    private const double SmallGradient = 1e-7,
        Decrease = 1e-4;

    /// <summary>Finds the minimum.</summary>
    /// <param name="classifier">Gets weights and biases; it begins where it stands.</param>
    /// <param name="features">[N, D].</param>
    /// <param name="labels">int64, [N].</param>
    /// <param name="decay">At least 0.</param>
    /// <param name="iterations">At most.</param>
    /// <param name="stop">Gives up between two iterations.</param>
    internal static void Fit(
        LinearClassifier classifier,
        Tensor features,
        Tensor labels,
        double decay,
        int iterations,
        CancellationToken stop = default
    )
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var count = features.Size(0);
        // The bias is the weight of a feature that is always 1, without decay.
        var rows = Torch.Cat([features.To(DType.Float64), Torch.Ones([count, 1], DType.Float64, device: features.Device)], 1);
        var truth = labels.OneHot((int)classifier.Bias.Size(0)).To(DType.Float64);
        var decays = Torch.Full([1, rows.Size(1)], decay, DType.Float64, device: features.Device);
        decays.Slice(1, -1).Zero_();
        List<(Tensor Move, Tensor Change)> history = [];
        var at = Torch.Cat([classifier.Weight, classifier.Bias.Unsqueeze(1)], 1).To(DType.Float64); // [classes, D + 1]
        var (value, slope) = Measure(at);
        for (var iteration = 0; iteration < iterations && slope.Abs().Max().ToDouble() > SmallGradient; iteration++)
        {
            stop.ThrowIfCancellationRequested();
            using var own = new Scope();
            var direction = Direction(history, slope);
            var along = Dot(direction, slope);
            var step = history.Count == 0 ? Math.Min(1, 1 / slope.Abs().Sum().ToDouble()) : 1.0;
            var (next, lower, after) = (at, value, slope);
            var halvings = 0;
            do
            {
                next = at + direction * step;
                (lower, after) = Measure(next);
                step /= 2;
            } while (!(lower <= value + Decrease * 2 * step * along) && ++halvings < MostHalvings);
            // Rounding leaves nothing to be gained.
            if (!(lower < value))
                break;
            var (move, change) = (next - at, after - slope);
            if (Dot(move, change) > 1e-12 * Dot(change, change))
                history.Add((move.Keep(), change.Keep()));
            if (history.Count > Memory)
                history.RemoveAt(0);
            (at, value, slope) = (next.Keep(), lower, after.Keep());
        }
        classifier.Weight.Copy_(at.Slice(1, 0, -1));
        classifier.Bias.Copy_(at.Select(1, -1));

        (double Value, Tensor Slope) Measure(Tensor map)
        {
            using var inner = new Scope();
            var logits = rows.Matmul(map.MT).LogSoftmax(1);
            var loss = -(logits * truth).Sum() / count + (map.Square() * decays).Sum() / 2;
            return (loss.ToDouble(), inner.Return((logits.Exp() - truth).MT.Matmul(rows) / count + map * decays));
        }
    }

    private static double Dot(Tensor a, Tensor b) => Torch.Scope(() => (a * b).Sum()).ToDouble();

    // Two loops over the last moves.
    private static Tensor Direction(List<(Tensor Move, Tensor Change)> history, Tensor slope)
    {
        var direction = -slope;
        var factors = new double[history.Count];
        for (var i = history.Count - 1; i >= 0; i--)
        {
            var (move, change) = history[i];
            factors[i] = Dot(move, direction) / Dot(move, change);
            direction = direction - change * factors[i];
        }
        if (history is [.., var (lastMove, lastChange)])
            direction = direction * (Dot(lastMove, lastChange) / Dot(lastChange, lastChange));
        for (var i = 0; i < history.Count; i++)
        {
            var (move, change) = history[i];
            direction = direction + move * (factors[i] - Dot(change, direction) / Dot(move, change));
        }
        return direction;
    }
}
