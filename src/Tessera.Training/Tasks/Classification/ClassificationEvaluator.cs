using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;

namespace Tessera.Training.Tasks.Classification;

/// <summary>Gathers logits batch by batch and measures them over the whole set, in double precision.</summary>
/// <param name="classes">Number of classes.</param>
/// <param name="bins">Number of bins of the calibration error, at least 1.</param>
/// <param name="mistakes">Number of mistakes that are kept, the most confident first.</param>
/// <param name="predict">Gives the logits [B, classes] of a batch.</param>
public sealed class ClassificationEvaluator(int classes, int bins = 15, int mistakes = 24, Func<Batch, Tensor>? predict = null) : Evaluator
{
    // A model whose outputs are no numbers is measured all the same.
    private static readonly JsonSerializerOptions json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    // Threads may add at once: the model runs beside itself, what it says is taken in batch after batch.
    private readonly Lock gate = new();
    private readonly int[,] confusion = new int[classes, classes];
    private readonly (int Count, double Confidence, int Right)[] calibration = new (int, double, int)[bins];
    private readonly PriorityQueue<Mistake, (double, int)> worst = new();
    private readonly int[] ranks = new int[classes];
    private double loss,
        brier;

    /// <summary>An evaluator of a model.</summary>
    /// <param name="model">The model that is measured.</param>
    /// <param name="bins">Number of bins of the calibration error, at least 1.</param>
    /// <param name="predict">Gives the logits of inputs without a mask instead of the model; null for the model.</param>
    public ClassificationEvaluator(Model model, int bins, Func<Tensor, Tensor>? predict = null)
        : this(model.Classes, bins, predict: batch => Logits(model, batch, predict)) { }

    /// <summary>Logits for prediction, [B, classes].</summary>
    internal static Tensor Logits(Model model, Batch batch, Func<Tensor, Tensor>? predict) =>
        batch.Mask is not null ? model.Run(new(batch.Inputs, batch.Mask)).Logits
        : predict is null ? model.Call(batch.Inputs)
        : predict(batch.Inputs);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The evaluator was made without a model.</exception>
    public override void Add(Batch batch)
    {
        if (predict is null)
            throw new InvalidOperationException("an evaluator without a model takes logits, not batches");
        Add(predict(batch), ClassTargets.Of(batch).Labels, batch.Indices);
    }

    /// <summary>Adds the logits and labels of B samples.</summary>
    /// <param name="logits">Answers of the model, [B, classes].</param>
    /// <param name="labels">True classes, int64, [B].</param>
    /// <param name="indices">Position of each sample in its data set.</param>
    /// <exception cref="ShapeException">Logits of another number of classes.</exception>
    public void Add(Tensor logits, Tensor labels, IReadOnlyList<int> indices)
    {
        if (logits.Dim != 2 || logits.Size(1) != classes)
            throw new ShapeException($"logits must be [B, {classes}], not {logits.Shape}");
        double[] logProbabilities;
        using (new Scope())
            logProbabilities = logits.Detach().To(DType.Float64).LogSoftmax(1).ToArray<double>();
        var truth = labels.ToArray<long>();
        lock (gate)
            for (var i = 0; i < truth.Length; i++)
                Add(logProbabilities.AsSpan(i * classes, classes), (int)truth[i], indices[i]);
    }

    private void Add(ReadOnlySpan<double> row, int label, int index)
    {
        var (best, rank) = (0, 0);
        for (var c = 0; c < classes; c++)
        {
            if (row[c] > row[best])
                best = c;
            // Among equal logits the lower class comes first.
            if (row[c] > row[label] || (row[c] == row[label] && c < label))
                rank++;
        }
        // An answer that is no number is a wrong one, at every rank and for every class.
        if (double.IsNaN(row[label]))
            best = label == 0 && classes > 1 ? 1 : 0;
        else
            ranks[rank]++;
        Count++;
        confusion[label, best]++;
        loss -= row[label];
        for (var c = 0; c < classes; c++)
        {
            var distance = Math.Exp(row[c]) - (c == label ? 1 : 0);
            brier += distance * distance;
        }
        var confidence = Math.Exp(row[best]);
        ref var bin = ref calibration[Math.Clamp((int)Math.Ceiling(confidence * bins) - 1, 0, bins - 1)];
        bin = (bin.Count + 1, bin.Confidence + confidence, bin.Right + (best == label ? 1 : 0));
        if (best == label)
            return;
        Note(new(index, label, best, confidence));
    }

    private void Note(Mistake mistake)
    {
        worst.Enqueue(mistake, (mistake.Confidence, -mistake.Index));
        if (worst.Count > mistakes)
            worst.Dequeue();
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        var sums = group.Sum([
            Count,
            loss,
            brier,
            .. ranks,
            .. confusion.Cast<int>(),
            .. calibration.SelectMany(bin => (double[])[bin.Count, bin.Confidence, bin.Right]),
        ]);
        (Count, loss, brier) = ((int)sums[0], sums[1], sums[2]);
        var place = 3;
        for (var i = 0; i < classes; i++)
            ranks[i] = (int)sums[place++];
        for (var i = 0; i < classes * classes; i++)
            confusion[i / classes, i % classes] = (int)sums[place++];
        for (var i = 0; i < bins; i++, place += 3)
            calibration[i] = ((int)sums[place], sums[place + 1], (int)sums[place + 2]);
        var all = group.Gather(JsonSerializer.Serialize(worst.UnorderedItems.Select(m => m.Element), json));
        worst.Clear();
        foreach (var mistake in all.SelectMany(text => JsonSerializer.Deserialize<Mistake[]>(text, json)!))
            Note(mistake);
    }

    /// <summary>Number of samples so far.</summary>
    public int Count { get; private set; }

    /// <summary>Share of samples of which the label is among the k largest logits.</summary>
    public double Top(int k) => Count == 0 ? 0 : ranks.Take(k).Sum() / (double)Count;

    /// <inheritdoc/>
    public override ClassificationMetrics Measure()
    {
        if (Count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        var recall = new double?[classes];
        for (var c = 0; c < classes; c++)
        {
            var total = 0;
            for (var p = 0; p < classes; p++)
                total += confusion[c, p];
            recall[c] = total == 0 ? null : confusion[c, c] / (double)total;
        }
        CalibrationBin[] binned =
        [
            .. calibration.Select(
                (bin, i) =>
                    new CalibrationBin(
                        i / (double)bins,
                        (i + 1) / (double)bins,
                        bin.Count,
                        bin.Count == 0 ? 0 : bin.Confidence / bin.Count,
                        bin.Count == 0 ? 0 : bin.Right / (double)bin.Count
                    )
            ),
        ];
        var filled = binned.Where(bin => bin.Count > 0).ToArray();
        return new(
            Count,
            loss / Count,
            Top(1),
            Top(5),
            recall,
            recall.OfType<double>().Average(),
            filled.Sum(bin => bin.Count / (double)Count * Math.Abs(bin.Accuracy - bin.Confidence)),
            filled.Max(bin => Math.Abs(bin.Accuracy - bin.Confidence)),
            brier / Count
        )
        {
            Confusion =
            [
                .. Enumerable
                    .Range(0, classes)
                    .Select(c => (IReadOnlyList<int>)[.. Enumerable.Range(0, classes).Select(p => confusion[c, p])]),
            ],
            Calibration = binned,
            Mistakes = [.. worst.UnorderedItems.OrderByDescending(m => m.Priority).Select(m => m.Element)],
        };
    }
}
