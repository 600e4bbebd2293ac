using System.Text.Json.Nodes;

namespace Tessera.Training;

/// <summary>Sums over steps: what the next line of the log tells the means of.</summary>
/// <param name="Steps">Number of steps.</param>
/// <param name="Samples">Number of samples.</param>
/// <param name="Loss">Sum of the losses of the steps.</param>
/// <param name="Parts">Sums of the named parts of the loss.</param>
/// <param name="Scores">Scores of the samples by name, as fractions.</param>
internal sealed record StepMetrics(
    int Steps,
    long Samples,
    double Loss,
    IReadOnlyDictionary<string, double> Parts,
    IReadOnlyDictionary<string, Score>? Scores = null
)
{
    /// <summary>Nothing yet.</summary>
    public static readonly StepMetrics Empty = new(0, 0, 0, new Dictionary<string, double>());

    /// <summary>Scores of the samples by name, as fractions.</summary>
    public IReadOnlyDictionary<string, Score> Scores { get; init; } = Scores ?? new Dictionary<string, Score>();

    internal StepMetrics Add(StepMetrics step) =>
        new(Steps + step.Steps, Samples + step.Samples, Loss + step.Loss, Sum(Parts, step.Parts, 1), Sum(Scores, step.Scores));

    /// <summary>Adds a part of a step: its share of the step's loss.</summary>
    internal StepMetrics AddShare(
        double share,
        long samples,
        double loss,
        IReadOnlyDictionary<string, double> parts,
        IReadOnlyDictionary<string, Score> scores
    ) => new(1, Samples + samples, Loss + loss * share, Sum(Parts, parts, share), Sum(Scores, scores));

    /// <summary>
    /// Adds another phase of the same step, whose figures carry its name. A phase need not be part of every step: its means are those over
    /// its own steps.
    /// </summary>
    internal StepMetrics AddPhase(string phase, StepMetrics other)
    {
        var figures = other.Parts.Prepend(new("loss", other.Loss)).Select(part => (part.Key, Score: new Score(part.Value, 1)));
        return this with
        {
            Loss = Loss + other.Loss,
            Scores = Sum(
                Scores,
                figures
                    .Concat(other.Scores.Select(score => (score.Key, Score: score.Value)))
                    .ToDictionary(figure => $"{phase}_{figure.Key}", figure => figure.Score)
            ),
        };
    }

    /// <summary>The mean of a part of the loss or of a score, by its name in the log; null where there is none.</summary>
    internal double? Mean(string name) =>
        Parts.TryGetValue(name, out var sum) ? sum / Steps
        : Scores.TryGetValue(name, out var score) && score.Weight > 0 ? score.Sum / score.Weight
        : null;

    /// <summary>Means over the steps, for the log.</summary>
    internal IEnumerable<(string, JsonNode?)> Fields()
    {
        yield return ("loss", Loss / Steps);
        foreach (var (name, score) in Scores)
            if (score.Weight > 0)
                yield return (name, score.Sum / score.Weight);
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

    private static OrderedDictionary<string, Score> Sum(IReadOnlyDictionary<string, Score> left, IReadOnlyDictionary<string, Score> right)
    {
        var sums = new OrderedDictionary<string, Score>(left);
        foreach (var (name, value) in right)
            sums[name] = sums.GetValueOrDefault(name) + value;
        return sums;
    }
}
