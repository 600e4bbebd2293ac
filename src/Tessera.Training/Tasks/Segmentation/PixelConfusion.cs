using Tessera.Distributed;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>
/// Counts, over the whole set, how often pixels of each class were taken for each class. Only the counts are kept, however many images
/// there are. Threads may add at once.
/// </summary>
public sealed class PixelConfusion
{
    private readonly int classes;
    private readonly int ignored;
    private readonly bool zeroIsIgnored;

    // [truth, prediction]; the last column is for predictions of no class that counts.
    private readonly long[] counts;
    private readonly Lock gate = new();

    /// <summary>Without any pixel.</summary>
    /// <param name="classes">Number of classes.</param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    /// <param name="reduceZeroLabel">Labels count from 1, and 0 is ignored: see <see cref="ReduceZeroLabel"/>.</param>
    public PixelConfusion(int classes, int ignored = 255, bool reduceZeroLabel = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        (this.classes, this.ignored, zeroIsIgnored) = (classes, ignored, reduceZeroLabel);
        counts = new long[classes * (classes + 1)];
    }

    /// <summary>Labels that count from 1, counted from 0: 0 becomes 255, as 255 stays, and all others are one less.</summary>
    /// <param name="labels">int64, of any shape.</param>
    public static Tensor ReduceZeroLabel(Tensor labels) =>
        Torch.Scope(() => (labels - 1).MaskedFill(labels.Eq(0).LogicalOr(labels.Eq(255)), 255));

    /// <summary>Adds pixels.</summary>
    /// <param name="prediction">Class of each pixel; a number outside the classes is a wrong answer.</param>
    /// <param name="labels">True class of each pixel, of the same shape.</param>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    /// <exception cref="ArgumentException">A label is no class and not ignored.</exception>
    public void Add(Tensor prediction, Tensor labels)
    {
        if (prediction.Shape != labels.Shape)
            throw new ShapeException($"predictions of shape {prediction.Shape} for labels of shape {labels.Shape}");
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var truth = labels.To(DType.Int64);
        if (zeroIsIgnored)
            truth = ReduceZeroLabel(truth);
        var counted = truth.Ne(ignored);
        truth = truth.MaskedSelect(counted);
        if (truth.Elements == 0)
            return;
        var (least, most) = (truth.Min().ToDouble(), truth.Max().ToDouble());
        if (least < 0 || most >= classes)
            throw new ArgumentException(
                $"a label is {(long)(least < 0 ? least : most)}: labels must be from 0 to {classes - 1}, or {ignored} "
                    + "for pixels that do not count",
                nameof(labels)
            );
        var answer = prediction.To(DType.Int64).MaskedSelect(counted);
        answer = answer.MaskedFill(answer.Lt(0).LogicalOr(answer.Ge(classes)), classes);
        var found = (truth * (classes + 1) + answer).Bincount(minlength: counts.Length).ToArray<long>();
        lock (gate)
            for (var i = 0; i < counts.Length; i++)
                counts[i] += found[i];
    }

    /// <summary>Adds the counts of others over the same classes.</summary>
    internal void Add(PixelConfusion other)
    {
        lock (gate)
            for (var i = 0; i < counts.Length; i++)
                counts[i] += other.counts[i];
    }

    /// <summary>Adds what the other processes have counted; all have the same afterwards.</summary>
    /// <param name="group">The processes.</param>
    public void Join(ProcessGroup group)
    {
        var sums = group.Sum([.. counts.Select(count => (double)count)]);
        for (var i = 0; i < counts.Length; i++)
            counts[i] = (long)sums[i];
    }

    /// <summary>All figures of the pixels so far.</summary>
    /// <param name="labelled">
    /// Number of classes that the labels are of: a class behind them without a pixel has no figures of its own, and predictions of it are
    /// wrong answers. Null for all classes.
    /// </param>
    public SegmentationScores Measure(int? labelled = null)
    {
        lock (gate)
            return new(
                [.. Enumerable.Range(0, classes).Select(label => counts[(label * (classes + 1))..((label + 1) * (classes + 1))])],
                labelled ?? classes
            );
    }
}

/// <summary>How well pixels were classified; all figures are fractions. A class for which one is undefined (0 / 0) has NaN.</summary>
public sealed class SegmentationScores
{
    internal SegmentationScores(long[][] counts, int labelled)
    {
        var classes = counts.Length;
        Confusion = [.. counts.Select(row => row[..classes])];
        double[] hits = [.. Enumerable.Range(0, classes).Select(c => (double)counts[c][c])];
        double[] labels = [.. counts.Select(row => (double)row.Sum())];
        double[] predictions = [.. Enumerable.Range(0, classes).Select(c => (double)counts.Sum(row => row[c]))];
        Labels = [.. counts.Select(row => row.Sum())];
        Iou = [.. hits.Select((hit, c) => IsOwn(c) ? hit / (labels[c] + predictions[c] - hit) : double.NaN)];
        Accuracy = [.. hits.Select((hit, c) => hit / labels[c])];
        Dice = [.. hits.Select((hit, c) => IsOwn(c) ? 2 * hit / (labels[c] + predictions[c]) : double.NaN)];
        PixelAccuracy = hits.Sum() / labels.Sum();

        bool IsOwn(int c) => c < labelled || labels[c] > 0;
    }

    /// <summary>Pixels by true and predicted class; predictions of no class are left out.</summary>
    public IReadOnlyList<IReadOnlyList<long>> Confusion { get; }

    /// <summary>Labelled pixels of each class.</summary>
    public IReadOnlyList<long> Labels { get; }

    /// <summary>Intersection over union of each class.</summary>
    public IReadOnlyList<double> Iou { get; }

    /// <summary>Share of each class's pixels that are right.</summary>
    public IReadOnlyList<double> Accuracy { get; }

    /// <summary>Twice the intersection over the sum of both areas, of each class.</summary>
    public IReadOnlyList<double> Dice { get; }

    /// <summary>Share of all labelled pixels that are right.</summary>
    public double PixelAccuracy { get; }

    /// <summary>Mean of <see cref="Iou"/> over the classes for which it is defined.</summary>
    public double MeanIou => Mean(Iou);

    /// <summary>Mean of <see cref="Accuracy"/> over the classes for which it is defined.</summary>
    public double MeanAccuracy => Mean(Accuracy);

    /// <summary>Mean of <see cref="Dice"/> over the classes for which it is defined.</summary>
    public double MeanDice => Mean(Dice);

    private static double Mean(IReadOnlyList<double> values) => values.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();
}
