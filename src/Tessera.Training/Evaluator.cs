using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Distributed;

namespace Tessera.Training;

/// <summary>
/// Measures a model batch by batch, over the whole set. Threads may add batches at once; join and measure when all are there.
/// </summary>
public abstract class Evaluator
{
    /// <summary>
    /// Features that the evaluator compares samples with; null for none. They are gathered before the first <see cref="Add"/>, with the
    /// model in the same mode and precision.
    /// </summary>
    public virtual FeatureBank? Bank => null;

    /// <summary>
    /// Runs the model on a batch and takes in what it predicts. Where the model fails, as for lack of memory, nothing has been taken in.
    /// </summary>
    public abstract void Add(Batch batch);

    /// <summary>Adds what the other processes have gathered; all have the same afterwards.</summary>
    public abstract void Join(ProcessGroup group);

    /// <summary>All figures of the samples so far.</summary>
    /// <exception cref="InvalidOperationException">There are none.</exception>
    public abstract Metrics Measure();
}

/// <summary>What an evaluator may be made from.</summary>
/// <param name="Classes">Names of the model's classes.</param>
/// <param name="Seed">Of what a measurement draws.</param>
public sealed record EvaluatorContext(IReadOnlyList<string> Classes, ulong Seed)
{
    /// <summary>
    /// Training samples as they are measured, without augmentation, for evaluators that compare with them: at most the given number, spread
    /// evenly over all. Null where training or test samples do not have one class each.
    /// </summary>
    public Func<int, BatchSource>? Bank { get; init; }

    /// <summary>Samples of the bank at most; 0 for none.</summary>
    public int BankSize { get; init; } = EvaluationOptions.DefaultBank;

    /// <summary>Neighbours that are asked for a class.</summary>
    public int Neighbors { get; init; } = EvaluationOptions.DefaultNeighbors;

    /// <summary>What similarities to neighbours are divided by.</summary>
    public double Temperature { get; init; } = EvaluationOptions.DefaultTemperature;
}
