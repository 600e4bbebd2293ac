using System.Text.Json.Nodes;

namespace Tessera.Training;

/// <summary>Where training stood when a checkpoint was written, beside the tensors.</summary>
/// <param name="Step">Steps of the optimiser done.</param>
/// <param name="StepsPerEpoch">Of this data at this batch: resuming with another number would continue elsewhere.</param>
/// <param name="Evaluated">Whether the evaluation that is due at this step is done.</param>
/// <param name="LogBytes">Length of the log.</param>
/// <param name="Seed">Seed of order and augmentation.</param>
/// <param name="Interval">What the next line of the log has gathered.</param>
/// <param name="Top1">Of the evaluation at this step; null where none was due.</param>
/// <param name="MicroBatch">Samples that pass at a time at most; null for whole batches.</param>
/// <param name="Ahead">Steps by which the data is ahead: it was moved past bad batches.</param>
/// <param name="Skipped">Steps in a row that were left out up to here.</param>
/// <param name="Rollbacks">How often training has gone back to a checkpoint.</param>
/// <param name="Stopped">Whether it was written because training was stopped: a run that is not stopped has none here, so that none goes back to it.</param>
/// <param name="Processes">Number of processes that wrote it together.</param>
public sealed record Position(
    long Step,
    long StepsPerEpoch,
    bool Evaluated,
    long LogBytes,
    ulong Seed,
    Tally Interval,
    double? Top1,
    int? MicroBatch = null,
    long Ahead = 0,
    int Skipped = 0,
    int Rollbacks = 0,
    bool Stopped = false,
    int Processes = 1
);

/// <summary>Sums over the steps since the last line of the log.</summary>
/// <param name="Steps">Number of steps.</param>
/// <param name="Samples">Number of samples.</param>
/// <param name="Loss">Sum of the losses of the steps.</param>
/// <param name="Labelled">Samples with hard labels, of which the accuracy is known.</param>
/// <param name="Right">Those of them that the student was right about.</param>
/// <param name="Parts">Sums of the named parts of the loss.</param>
public sealed record Tally(int Steps, long Samples, double Loss, long Labelled, long Right, IReadOnlyDictionary<string, double> Parts)
{
    /// <summary>Nothing yet.</summary>
    public static readonly Tally Empty = new(0, 0, 0, 0, 0, new Dictionary<string, double>());

    internal Tally Add(Tally step) =>
        new(
            Steps + step.Steps,
            Samples + step.Samples,
            Loss + step.Loss,
            Labelled + step.Labelled,
            Right + step.Right,
            Sum(Parts, step.Parts, 1)
        );

    /// <summary>Adds a part of a step: its share of the step's loss.</summary>
    internal Tally AddShare(
        double share,
        long samples,
        double loss,
        long labelled,
        long right,
        IReadOnlyDictionary<string, double> parts
    ) => new(1, Samples + samples, Loss + loss * share, Labelled + labelled, Right + right, Sum(Parts, parts, share));

    /// <summary>Means over the steps, for the log.</summary>
    internal IEnumerable<(string, JsonNode?)> Fields()
    {
        yield return ("loss", Loss / Steps);
        if (Labelled > 0)
            yield return ("top1", Right / (double)Labelled);
        foreach (var (name, sum) in Parts)
            yield return (name, sum / Steps);
    }

    private static OrderedDictionary<string, double> Sum(
        IReadOnlyDictionary<string, double> left,
        IReadOnlyDictionary<string, double> right,
        double factor
    )
    {
        var sums = new OrderedDictionary<string, double>(left);
        foreach (var (name, value) in right)
            sums[name] = sums.GetValueOrDefault(name) + value * factor;
        return sums;
    }
}
