namespace Tessera.Training.Probes;

/// <summary>Classification by the nearest neighbours among features whose classes are known.</summary>
public static class NearestNeighbors
{
    // Queries at a time: their similarities to the whole bank are in memory at once.
    private const int Chunk = 1024;

    /// <summary>
    /// Scores of the classes by weighted neighbours (Wu et al., 2018, arXiv:1805.01978, section 3.4): cosine similarity s, and the k most
    /// similar features of the bank count exp(s / temperature) each for their class. The largest score is the prediction.
    /// </summary>
    /// <param name="queries">[B, D]; they are L2-normalised here.</param>
    /// <param name="bank">[N, D]; they are L2-normalised here.</param>
    /// <param name="labels">Classes of the bank, int64, [N].</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="k">Neighbours, at least 1; at most the whole bank counts.</param>
    /// <param name="temperature">Above 0.</param>
    /// <returns>[B, classes].</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="ShapeException">The shapes do not fit, or the bank is empty.</exception>
    public static Tensor WeightedScores(Tensor queries, Tensor bank, Tensor labels, int classes, int k = 200, double temperature = 0.1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(temperature);
        return InChunks(queries, bank, labels, k, (some, count) =>
        {
            var (similarity, nearest) = Normalize(some).Matmul(Normalize(bank).MT).Topk(count, 1);
            return Sums((similarity / temperature).Exp(), nearest, labels, classes);
        });
    }

    /// <summary>
    /// Votes for the classes by plain neighbours: the k features of the bank at the smallest Euclidean distance have a vote each.
    /// </summary>
    /// <param name="queries">[B, D].</param>
    /// <param name="bank">[N, D].</param>
    /// <param name="labels">Classes of the bank, int64, [N].</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="k">Neighbours, at least 1; at most the whole bank counts.</param>
    /// <returns>[B, classes].</returns>
    /// <exception cref="ArgumentOutOfRangeException">k is below 1.</exception>
    /// <exception cref="ShapeException">The shapes do not fit, or the bank is empty.</exception>
    public static Tensor Votes(Tensor queries, Tensor bank, Tensor labels, int classes, int k = 5) =>
        InChunks(queries, bank, labels, k, (some, count) =>
        {
            // Differences themselves, not by products of matrices, which cancel.
            var (_, nearest) = Torch.Cdist(some, bank, 2, 2).Topk(count, 1, largest: false);
            return Sums(some.NewOnes([some.Size(0), count]), nearest, labels, classes);
        });

    /// <summary>The class of the largest score, int64, [B]; of equal ones the smallest.</summary>
    /// <param name="scores">[B, classes].</param>
    public static Tensor Predictions(Tensor scores) => scores.Argmax(1);

    private static Tensor InChunks(Tensor queries, Tensor bank, Tensor labels, int k, Func<Tensor, int, Tensor> score)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        if (queries.Dim != 2 || bank.Dim != 2 || queries.Size(1) != bank.Size(1) || bank.Size(0) == 0)
            throw new ShapeException(
                $"features of shape {queries.Shape} among neighbours of shape {bank.Shape}: they must be [B, D] and [N, D]"
            );
        if (labels.Dim != 1 || labels.Size(0) != bank.Size(0))
            throw new ShapeException($"classes of shape {labels.Shape} for {bank.Size(0)} neighbours: they must be [{bank.Size(0)}]");
        var count = (int)Math.Min(k, bank.Size(0));
        return Torch.Scope(() =>
        {
            List<Tensor> parts = [];
            for (var start = 0L; start < queries.Size(0) || start == 0; start += Chunk)
            {
                var from = start;
                parts.Add(Torch.Scope(() => score(queries.Slice(0, from, Math.Min(from + Chunk, queries.Size(0))), count)));
            }
            return parts is [var only] ? only : Torch.Cat([.. parts], 0);
        });
    }

    private static Tensor Sums(Tensor weights, Tensor nearest, Tensor labels, int classes) =>
        weights
            .NewZeros([weights.Size(0), classes])
            .ScatterAdd(1, labels.IndexSelect(0, nearest.Reshape(-1)).Reshape(nearest.Size(0), nearest.Size(1)), weights);

    /// <summary>Rows of length 1.</summary>
    /// <param name="features">[N, D].</param>
    internal static Tensor Normalize(Tensor features) => features / features.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
}
