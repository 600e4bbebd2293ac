namespace Tessera.Data;

/// <summary>
/// Annotations of the samples of a data set: a class each, several, none, a map, boxes. A data set has one kind of annotations;
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

    /// <summary>The same annotations with the numbers of a model's classes.</summary>
    /// <param name="mapping">From the classes here; a class of samples must have a number.</param>
    /// <exception cref="DataException">A sample is of a class without a number.</exception>
    public abstract Annotations Renumbered(ClassMapping mapping);

    /// <summary>Number of samples that each class is present in; null where reading every sample would be needed to tell.</summary>
    public virtual IReadOnlyList<int>? SamplesPerClass => null;

    /// <summary>
    /// A number that samples of the same kind share: draws that keep the balance of a data set take their share of every stratum.
    /// </summary>
    public abstract int StratumOf(int index);

    /// <summary>Name of a stratum in messages.</summary>
    public abstract string StratumName(int stratum);

    /// <summary>
    /// Whether the annotations lie in the images and follow each to its view: then every transform must say where pixels come from.
    /// </summary>
    public virtual bool FollowsView => false;

    /// <summary>Why mixing images (Mixup, CutMix) or smoothing has no meaning for these targets; null where it has one.</summary>
    public virtual string? MixingObstacle => null;

    /// <summary>The annotation of a sample as text, by which stored results of other annotations are told apart.</summary>
    public abstract string Describe(int index);

    /// <summary>
    /// Gathers the targets of a batch. It runs on a thread of the loader; the function that it returns makes the tensors, on the thread
    /// that takes the batch.
    /// </summary>
    public abstract Func<Targets> Gather(TargetRequest request);
}

/// <summary>The samples of a batch, as the loader has prepared them.</summary>
/// <param name="Indices">Position of each in its data set.</param>
/// <param name="Images">Where each prepared image comes from; null for samples that are not images.</param>
/// <param name="Size">Of the prepared images.</param>
/// <param name="Mixing">How samples were mixed with each other; null where they were not.</param>
public sealed record TargetRequest(
    IReadOnlyList<int> Indices,
    IReadOnlyList<PreparedImage>? Images = null,
    ImageSize Size = default,
    MixPlan? Mixing = null
)
{
    /// <summary>How many times smaller than the images label maps are wanted (<c>label_scale</c>).</summary>
    public int LabelScale { get; init; } = 1;

    /// <summary>
    /// The label maps of samples whose transforms have looked at them, so that none is read twice: null for others, empty where no
    /// transform looks at maps.
    /// </summary>
    public IReadOnlyList<LabelMap?> LookedAt { get; init; } = [];

    /// <summary>The images, for annotations that lie in them.</summary>
    /// <param name="what">The annotations, for the message.</param>
    /// <exception cref="DataException">The samples are not images.</exception>
    internal IReadOnlyList<PreparedImage> ImagesOf(string what) => Images ?? throw new DataException($"{what} are for images");
}

/// <summary>Where a prepared image comes from.</summary>
/// <param name="View">Which part of the original it shows.</param>
/// <param name="Visible">
/// Which part of the original is left, not mirrored: a part that a crop has cut off does not come back when a shift moves its place in.
/// </param>
/// <param name="Original">Size of the original.</param>
public readonly record struct PreparedImage(ImageView View, ImageView Visible, ImageSize Original);

/// <summary>How the samples of a batch are mixed: sample i with sample B-1-i.</summary>
/// <param name="Mixes">Per sample.</param>
/// <param name="Smoothing">How much targets are smoothed, in [0, 1]; each kind of annotations says how.</param>
public sealed record MixPlan(IReadOnlyList<Mix> Mixes, double Smoothing);
