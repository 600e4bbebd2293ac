namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Watches the embeddings of a method without labels. Spread over the unit sphere, each of D dimensions deviates by 1/sqrt(D); where all
/// samples get the same embedding, by 0. Alignment and uniformity are those of Wang and Isola, 2020, arXiv:2005.10242, equations 1 and 2.
/// </summary>
internal sealed class CollapseWatch
{
    /// <summary>Share of 1/sqrt(D) below which embeddings are taken as collapsed.</summary>
    internal const double Least = 0.1;

    /// <summary>Steps in a row after which it is said.</summary>
    internal const int Patience = 100;

    private int low;

    /// <summary>What is to be said after the last measurement; null without news.</summary>
    internal string? Warning { get; private set; }

    /// <summary>Figures of the embeddings of a step, by the name that they have in the log.</summary>
    /// <param name="views">Embeddings of each view, [B, E]; the first two are of the same samples.</param>
    internal IEnumerable<(string Name, Tensor Value)> Measure(IReadOnlyList<Tensor> views)
    {
        using var outside = Torch.NoGrad();
        Tensor[] normalized = [.. views.Take(2).Select(view => Normalize(view.Detach().To(DType.Float32)))];
        var first = normalized[0];
        var (count, width) = (first.Size(0), first.Size(1));
        // In units of 1/sqrt(D): 1 where embeddings are spread evenly.
        var deviation = count < 2 ? Torch.Ones([]) : first.Std(0).Mean() * Math.Sqrt(width);
        Judge(deviation.ToDouble());
        List<(string, Tensor)> found = [("deviation", deviation)];
        if (normalized is [_, var second])
            found.Add(("alignment", (first - second).Square().Sum(1).Mean()));
        // Also of a single sample, so that all processes reduce the same figures.
        found.Add(("uniformity", count > 1 ? Uniformity(first) : Torch.Zeros([])));
        return found;
    }

    /// <summary>Logarithm of the mean of exp(-2 d^2) over all pairs of rows at distance d.</summary>
    /// <param name="rows">L2-normalised, [N, D], of which N is at least 2.</param>
    internal static Tensor Uniformity(Tensor rows)
    {
        var (count, all) = (rows.Size(0), rows.Matmul(rows.MT)); // [N, N]
        var pairs = ((all - 1) * 4).Exp(); // -2 d^2 = 4 (cos - 1)
        return ((pairs.Sum() - count) / (count * (count - 1.0))).Log();
    }

    private void Judge(double deviation)
    {
        low = deviation < Least ? low + 1 : 0;
        Warning =
            low == Patience
                ? FormattableString.Invariant($"the embeddings collapse: their deviation per dimension has been below {Least}/sqrt(D) for ")
                    + FormattableString.Invariant($"{Patience} steps (now {deviation:0.####}/sqrt(D)), so all samples look alike; ")
                    + "try a lower learning rate, a slower momentum copy, or larger batches"
                : null;
    }

    internal static Tensor Normalize(Tensor rows) => rows / rows.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
}
