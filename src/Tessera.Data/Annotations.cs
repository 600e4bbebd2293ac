namespace Tessera.Data;

/// <summary>
/// What is known about the samples of a data set: a class each, several, none, a map, boxes. A data set has one kind of annotations;
/// the loader makes the targets of its batches from them.
/// </summary>
/// <param name="classNames">Name of each class; empty where there are no classes.</param>
public abstract class Annotations(IReadOnlyList<string> classNames)
{
    /// <summary>Name of each class; empty where there are no classes.</summary>
    public IReadOnlyList<string> ClassNames { get; } = classNames;

    /// <summary>Number of samples.</summary>
    public abstract int Count { get; }

    /// <summary>The annotations of some of the samples, in the order given.</summary>
    public abstract Annotations Part(IReadOnlyList<int> indices);

    /// <summary>
    /// A number that samples of the same kind share: draws that keep the balance of a data set take their share of every stratum.
    /// </summary>
    public abstract int StratumOf(int index);

    /// <summary>What people call a stratum, for messages.</summary>
    public abstract string StratumName(int stratum);

    /// <summary>Why mixing images (Mixup, CutMix) or smoothing has no meaning for these targets; null where it has one.</summary>
    public virtual string? MixingObstacle => null;

    /// <summary>The annotation of a sample as text, by which stored results of other annotations are told apart.</summary>
    public abstract string Describe(int index);

    /// <summary>
    /// Gathers the targets of a batch. It runs on a thread of the loader; the function that it returns makes the tensors, on the thread that
    /// takes the batch.
    /// </summary>
    public abstract Func<Targets> Gather(TargetRequest request);
}

/// <summary>The samples of a batch, as the loader has prepared them.</summary>
/// <param name="Indices">Position of each in its data set.</param>
/// <param name="Views">Which part of its original each image shows; null for samples that are not images.</param>
/// <param name="Height">Rows of the prepared images; 0 for samples that are not images.</param>
/// <param name="Width">Columns of the prepared images.</param>
/// <param name="Mixing">How samples were mixed with each other; null where they were not.</param>
public sealed record TargetRequest(
    IReadOnlyList<int> Indices,
    IReadOnlyList<ImageView>? Views = null,
    int Height = 0,
    int Width = 0,
    MixPlan? Mixing = null
);

/// <summary>How the samples of a batch are mixed: sample i with sample B-1-i.</summary>
/// <param name="Mixes">Per sample.</param>
/// <param name="Smoothing">Share of the probability that is spread evenly over all classes, in [0, 1].</param>
public sealed record MixPlan(IReadOnlyList<Mix> Mixes, double Smoothing);
