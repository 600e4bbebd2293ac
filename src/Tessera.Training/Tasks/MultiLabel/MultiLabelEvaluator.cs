using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>
/// Gathers logits batch by batch and measures them over the whole set. It keeps logits as float32 and labels until the end, some five
/// bytes per sample and class: 16 MB for 40,000 images with 80 classes. Of several processes, each has the logits of all after
/// <see cref="Join"/>.
/// </summary>
/// <param name="thresholds">Per class the probability from which the class belongs to an answer.</param>
/// <param name="tune">Whether thresholds of the largest F1 on the samples take their place.</param>
/// <param name="predict">Gives the logits [B, classes] of a batch.</param>
/// <param name="mistakes">Number of wrong and of missed labels that are kept.</param>
public sealed class MultiLabelEvaluator(
    IReadOnlyList<double> thresholds,
    bool tune = false,
    Func<Batch, Tensor>? predict = null,
    int mistakes = 12
) : Evaluator
{
    private const int CurvePoints = 101;

    private readonly int classes = thresholds.Count;
    private readonly List<Sample> samples = [];

    private sealed record Sample(int Index, float[] Logits, bool[] Present);

    /// <summary>The probability of a class by its logit.</summary>
    internal static double Probability(double logit) => 1 / (1 + Math.Exp(-logit));

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The evaluator was made without a model.</exception>
    public override void Add(Batch batch)
    {
        if (predict is null)
            throw new InvalidOperationException("this evaluator takes logits: it was made without a model");
        Add(predict(batch), MultiLabelTargets.Of(batch).Hot, batch.Indices);
    }

    /// <summary>Adds the logits and labels of B samples.</summary>
    /// <param name="logits">Answers of the model, [B, classes].</param>
    /// <param name="hot">1 where a class is present and 0 where it is not, [B, classes].</param>
    /// <param name="indices">Position of each sample in its data set.</param>
    /// <exception cref="ShapeException">Logits of another number of classes.</exception>
    /// <exception cref="DataException">Labels that are mixed or smoothed.</exception>
    public void Add(Tensor logits, Tensor hot, IReadOnlyList<int> indices)
    {
        if (logits.Dim != 2 || logits.Size(1) != classes)
            throw new ShapeException($"logits of shape {logits.Shape} for {classes} classes");
        using var scope = new Scope();
        var (answers, present) = (logits.Detach().To(DType.Float32).ToArray<float>(), hot.To(DType.Float32).ToArray<float>());
        if (present.Any(value => value is not (0 or 1)))
            throw new DataException(
                "a model is measured by labels that are present or not: evaluation.transforms must not mix or smooth them"
            );
        Sample[] added =
        [
            .. indices.Select(
                (index, i) =>
                {
                    var row = (i * classes)..((i + 1) * classes);
                    return new Sample(index, answers[row], [.. present[row].Select(value => value == 1)]);
                }
            ),
        ];
        // Threads may add at once.
        lock (samples)
            samples.AddRange(added);
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        using var scope = new Scope();
        var counts = group.AllGather(Tensor.Of((long)samples.Count)).ToArray<long>();
        var most = (int)counts.Max();
        if (most == 0)
            return;
        var (indices, logits, present) = (new long[most], new float[most * classes], new byte[most * classes]);
        foreach (var (i, sample) in samples.Index())
        {
            indices[i] = sample.Index;
            sample.Logits.CopyTo(logits, i * classes);
            for (var c = 0; c < classes; c++)
                present[i * classes + c] = sample.Present[c] ? (byte)1 : (byte)0;
        }
        var allIndices = group.AllGather(Tensor.From(indices)).ToArray<long>();
        var allLogits = group.AllGather(Tensor.From(logits)).ToArray<float>();
        var allPresent = group.AllGather(Tensor.From(present)).ToArray<byte>();
        samples.Clear();
        for (var rank = 0; rank < counts.Length; rank++)
        for (var i = 0; i < counts[rank]; i++)
        {
            var place = rank * most + i;
            var row = (place * classes)..((place + 1) * classes);
            samples.Add(new((int)allIndices[place], allLogits[row], [.. allPresent[row].Select(label => label == 1)]));
        }
    }

    /// <inheritdoc/>
    /// <exception cref="DataException">No class is present in any sample.</exception>
    public override MultiLabelMetrics Measure()
    {
        if (samples.Count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        // In the order of the data set, so that sums are the same whatever the batches and processes.
        samples.Sort((left, right) => left.Index.CompareTo(right.Index));
        var ranked = Enumerable.Range(0, classes).Select(Rank).ToArray();
        if (ranked.All(one => one.Positives == 0))
            throw new DataException("no class is present in any of the samples: average precision is not defined");
        var chosen = ranked.Select((one, label) => tune && one.Positives > 0 ? one.BestThreshold() : thresholds[label]).ToArray();
        var (wrong, missed) = Mistakes(chosen);
        return new(samples.Count, Loss(), [.. ranked.Select((one, label) => Scores(one, chosen[label]))], tune)
        {
            PrecisionAtRecall =
            [
                .. ranked.Select(one => one.Positives == 0 ? null : (IReadOnlyList<double>)one.PrecisionAtRecall(CurvePoints)),
            ],
            F1AtThreshold = [.. Enumerable.Range(0, CurvePoints).Select(i => At(ranked, i / (CurvePoints - 1.0)))],
            Wrong = wrong,
            Missed = missed,
        };
    }

    private RankedLabels Rank(int label) =>
        new([.. samples.Select(sample => sample.Logits[label])], [.. samples.Select(sample => sample.Present[label])]);

    private static LabelScores Scores(RankedLabels ranked, double threshold)
    {
        var step = ranked.At(threshold);
        return new(ranked.Positives, step.Chosen, step.Right, ranked.Positives == 0 ? null : ranked.AveragePrecision(), threshold);
    }

    private static F1Point At(RankedLabels[] ranked, double threshold)
    {
        var steps = ranked.Select(one => (one.Positives, Step: one.At(threshold))).ToArray();
        return new(
            threshold,
            steps.Where(one => one.Positives > 0).Average(one => RankedLabels.F1(one.Step, one.Positives)),
            2.0 * steps.Sum(one => (long)one.Step.Right) / steps.Sum(one => (long)one.Step.Chosen + one.Positives)
        );
    }

    // Binary cross-entropy, without a logarithm of what has become 0.
    private double Loss()
    {
        var sum = 0.0;
        foreach (var sample in samples)
            for (var c = 0; c < classes; c++)
            {
                var against = sample.Present[c] ? -(double)sample.Logits[c] : sample.Logits[c];
                sum += Math.Max(against, 0) + Math.Log(1 + Math.Exp(-Math.Abs(against)));
            }
        return sum / samples.Count / classes;
    }

    // One of each kind per sample: pictures of the same sample would tell nothing new.
    private (IReadOnlyList<LabelMistake> Wrong, IReadOnlyList<LabelMistake> Missed) Mistakes(double[] chosen)
    {
        var (wrong, missed) = (new List<LabelMistake>(), new List<LabelMistake>());
        foreach (var sample in samples)
        {
            LabelMistake? likeliest = null,
                unlikeliest = null;
            for (var c = 0; c < classes; c++)
            {
                var probability = Probability(sample.Logits[c]);
                if (probability >= chosen[c] == sample.Present[c])
                    continue;
                if (!sample.Present[c] && (likeliest is null || probability > likeliest.Probability))
                    likeliest = new(sample.Index, c, probability);
                if (sample.Present[c] && (unlikeliest is null || probability < unlikeliest.Probability))
                    unlikeliest = new(sample.Index, c, probability);
            }
            if (likeliest is not null)
                wrong.Add(likeliest);
            if (unlikeliest is not null)
                missed.Add(unlikeliest);
        }
        return (
            [.. wrong.OrderByDescending(one => one.Probability).Take(mistakes)],
            [.. missed.OrderBy(one => one.Probability).Take(mistakes)]
        );
    }
}
