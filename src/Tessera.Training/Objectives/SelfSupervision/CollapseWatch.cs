using Tessera.Training.Probes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Watches the embeddings of a method without labels. Spread over the unit sphere, each of D dimensions deviates by 1/sqrt(D); where all
/// samples get the same embedding, by 0. Alignment and uniformity are those of Wang and Isola, 2020, arXiv:2005.10242, equations 1 and 2.
/// How long the deviation has been low is part of a checkpoint, so that a run which stops in between warns all the same.
/// </summary>
internal sealed partial class CollapseWatch : Module
{
    /// <summary>Share of 1/sqrt(D) below which embeddings are taken as collapsed.</summary>
    internal const double Least = 0.1;

    /// <summary>Steps in a row after which it is said.</summary>
    internal const int Patience = 100;

    /// <summary>Samples of a step at most whose distances are looked at: each from all others.</summary>
    internal const int MostPairs = 512;

    private const string Deviation = "deviation",
        Alignment = "alignment",
        Uniform = "uniformity";

    private readonly ModuleBuffer low = new(Tensor.From<long>([0, -1])); // steps in a row, and the last step that was looked at

    /// <summary>What it measures, for people.</summary>
    internal static IReadOnlyList<MetricCurve> Figures =>
        [
            new("Deviation of the embeddings, 1 where they are spread evenly", Deviation, MetricFormat.Number),
            new("Alignment", Alignment, MetricFormat.Number),
            new("Uniformity", Uniform, MetricFormat.Number),
        ];

    /// <summary>What is to be said after the last measurement; null without news.</summary>
    internal string? Warning { get; private set; }

    /// <summary>
    /// Figures of the embeddings of a step, by the name that they have in the log: <c>deviation</c> in units of 1/sqrt(D),
    /// <c>alignment</c> of the first two views, <c>uniformity</c> of the first. Their names do not depend on the number of samples.
    /// </summary>
    /// <param name="views">Embeddings of each view, [B, E]; the first two are of the same samples.</param>
    /// <param name="step">The step, which counts once however many batches it has.</param>
    /// <param name="counts">Whether the samples count: not where none of a batch fell to a process.</param>
    internal IEnumerable<(string Name, Tensor Value)> Measure(IReadOnlyList<Tensor> views, long step, bool counts = true)
    {
        using var outside = Torch.NoGrad();
        using var exact = Torch.Autocast(device: views[0].Device.Type, enabled: false);
        Tensor[] normalized = [.. views.Take(2).Select(view => NearestNeighbors.Normalize(view.Detach().To(DType.Float32)))];
        var first = normalized[0];
        var (count, width) = (first.Size(0), first.Size(1));
        // A single sample does not deviate from others: it tells nothing.
        var deviation = count < 2 ? first.NewOnes([]) : first.Std(0).Mean() * Math.Sqrt(width);
        Warning = null;
        if (counts && count > 1)
            Judge(deviation.ToDouble(), step);
        List<(string, Tensor)> found = [(Deviation, deviation)];
        if (normalized is [_, var second])
            found.Add((Alignment, (first - second).Square().Sum(1).Mean()));
        found.Add((Uniform, count < 2 ? first.NewZeros([]) : Uniformity(first.Slice(0, 0, Math.Min(count, MostPairs)))));
        return found;
    }

    /// <summary>Logarithm of the mean of exp(-2 d^2) over all pairs of different rows at distance d.</summary>
    /// <param name="rows">L2-normalised, [N, D], of which N is at least 2.</param>
    internal static Tensor Uniformity(Tensor rows)
    {
        var count = rows.Size(0);
        var squares = 2 - rows.Matmul(rows.MT) * 2; // d^2, [N, N]
        var others = 1 - Torch.Eye(count, device: rows.Device);
        return ((squares * -2).Exp() * others).Sum().Div(count * (count - 1.0)).Log();
    }

    private void Judge(double deviation, long step)
    {
        if (low.ToArray<long>() is not [var before, var last] || last == step)
            return;
        var steps = deviation < Least ? before + 1 : 0;
        low.Copy_(Tensor.From<long>([steps, step]));
        if (steps == Patience)
            Warning =
                FormattableString.Invariant($"the embeddings collapse: their deviation per dimension has been below {Least}/sqrt(D) for ")
                + FormattableString.Invariant($"{Patience} steps (now {deviation:0.####}/sqrt(D)), so all samples look alike; ")
                + "try a lower learning rate, a slower momentum copy, or larger batches";
    }
}
