using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Training.Recipes;

namespace Tessera.Training.Experiments;

/// <summary>Whether batches are made on the device that trains, of a set that lies there whole.</summary>
public enum OnDevice
{
    /// <summary>On a GPU, where the images lie in memory and every transform can work there.</summary>
    Auto,

    /// <summary>On any device; a recipe that cannot is refused.</summary>
    True,

    /// <summary>Never.</summary>
    False,
}

/// <summary>Which samples an epoch reads.</summary>
public enum DataSampling
{
    /// <summary>Each once, in random order.</summary>
    Shuffled,

    /// <summary>As many of every class, in random order.</summary>
    Balanced,
}

/// <summary>The data of a training.</summary>
/// <param name="Name">Name in the registry of data sets.</param>
/// <param name="Batch">Samples of one step of the loader.</param>
/// <param name="Root">Folder of the files; by default where the data command puts them.</param>
/// <param name="Split">Training split; minitrain is train without minival.</param>
/// <param name="Workers">Threads that prepare batches.</param>
/// <param name="Limit">
/// Use at most this number of samples, drawn by the seed of the subset from all classes in proportion to their size.
/// </param>
/// <param name="Repeats">Repeated augmentation: how often an image comes in an epoch, which has as many samples as without.</param>
/// <param name="Minival">Share of every class that the split minival takes out of the training part.</param>
/// <param name="PerClass">Number of samples per class, drawn by the seed of the subset.</param>
/// <param name="Fraction">Share of every class (at least one sample), drawn by the seed of the subset.</param>
/// <param name="List">File of samples, one name or number per line, such as a run's <c>samples.txt</c>.</param>
/// <param name="SubsetSeed">
/// Seed of minival, per_class and fraction; it is separate from the seed of the training, so that several trainings see the same samples.
/// </param>
/// <param name="UnreadableLimit">
/// Largest share of unreadable images; a larger share ends the run, and 0 allows none. Training replaces each unreadable image, evaluation
/// leaves it out.
/// </param>
/// <param name="MaxPixels">
/// Most pixels of an image file; a larger image is unreadable. A decoder may need several bytes for each of them.
/// </param>
/// <param name="ShrinkOnLoad">
/// In training on JPEG files with random_resized_crop as the first transform, whether the decoder shrinks images whose crop is several
/// times larger than its target. Random draws stay the same, pixels differ slightly; evaluation never shrinks.
/// </param>
/// <param name="OnDevice">
/// Whether an in-memory set lies on train.device, where batches are made for training and, if its transforms allow it, for evaluation: auto
/// (on a GPU, if all transforms can run there), true or false. The batches are the same either way.
/// </param>
/// <param name="UnreadableAllowed">
/// Number of unreadable images that never ends the run, however large their share is, up to half of the images.
/// </param>
/// <param name="Sampling">Which samples an epoch reads: shuffled (each once) or balanced (as many of every class).</param>
/// <param name="Instances">
/// Samples of each class in a batch, of which the batch is a multiple: 4 of each of 16 classes in a batch of 64. By default 1, which leaves
/// classes to chance, unless the objective compares samples of a class.
/// </param>
/// <param name="Mean">
/// Mean of each channel, of values in [0, 1], that is taken from images; by default what is known of the set, ImageNet's for own images.
/// </param>
/// <param name="TrainClasses">
/// Number of classes to learn from, drawn by the seed of the subset; the model is measured on samples of all other classes, as retrieval
/// is. None by default: all classes are learned from.
/// </param>
/// <param name="Std">What they are divided by then; given with the mean: <c>mean: [0, 0, 0], std: [1, 1, 1]</c> leaves values in [0, 1].</param>
public sealed record DataRecipe(
    string Name,
    [Range(1, 1 << 20)] int Batch = 128,
    [RecipePath] string? Root = null,
    string Split = "train",
    [Range(0, 256)] int Workers = 1,
    [Range(1, int.MaxValue)] int? Limit = null,
    [Range(1, 64)] int Repeats = 1,
    [Range(0.0001, 0.9)] double Minival = 0.1,
    [Range(1, int.MaxValue)] int? PerClass = null,
    [Range(1e-6, 1)] double? Fraction = null,
    [RecipePath] string? List = null,
    ulong SubsetSeed = 0,
    [Range(0, 0.999)] double UnreadableLimit = 0.01,
    [Range(1, 700_000_000)] int MaxPixels = ImageDecoder.LargestImage,
    bool ShrinkOnLoad = true,
    OnDevice OnDevice = OnDevice.Auto,
    [Range(0, int.MaxValue)] int UnreadableAllowed = 9,
    DataSampling Sampling = DataSampling.Shuffled,
    [Range(1, 1 << 20)] int? Instances = null,
    IReadOnlyList<double>? Mean = null,
    IReadOnlyList<double>? Std = null,
    [Range(1, int.MaxValue)] int? TrainClasses = null
)
{
    private const string Training = "train";

    /// <summary>The two parts of the samples to learn from where some are held out to measure on.</summary>
    internal const string RestOfTraining = "minitrain",
        HeldOut = "minival";

    /// <summary>The samples of the classes to learn from, and those of the others, where the classes are divided.</summary>
    internal const string SeenClasses = "seen",
        UnseenClasses = "unseen";

    /// <summary>Only so many samples of every class.</summary>
    public int? PerClass { get; init; } =
        new object?[] { PerClass, Fraction, List }.Count(given => given is not null) <= 1
            ? PerClass
            : throw new ArgumentException("only one of per_class, fraction and list can be given");

    /// <summary>Number of classes to learn from; null for all.</summary>
    public int? TrainClasses { get; init; } =
        TrainClasses is null || Split is not (RestOfTraining or HeldOut)
            ? TrainClasses
            : throw new ArgumentException(
                $"train_classes divides the classes, and split: {Split} the samples of every class: only one of both can be given"
            );

    /// <summary>Which samples an epoch reads.</summary>
    public DataSampling Sampling { get; init; } =
        Sampling == DataSampling.Shuffled || Repeats == 1
            ? Sampling
            : throw new ArgumentException("only one of repeats and sampling: balanced can be given");

    /// <summary>Samples of each class in a batch; null where the objective decides.</summary>
    public int? Instances { get; init; } =
        Instances is null or 1 || (Sampling == DataSampling.Shuffled && Repeats == 1)
            ? Instances
            : throw new ArgumentException("only one of repeats, sampling: balanced and instances can be given");

    /// <summary>Mean of each channel; null for what is known of the set.</summary>
    public IReadOnlyList<double>? Mean { get; init; } =
        (Mean ?? []).Count == (Std ?? []).Count
            ? Mean is { Count: > 0 }
                ? Mean
                : null
            : throw new ArgumentException("mean and std must be given together, with a value for each channel");

    /// <summary>Deviation of each channel; null for what is known of the set.</summary>
    public IReadOnlyList<double>? Std { get; init; } =
        Std switch
        {
            null or [] => null,
            _ when Std.Any(value => value <= 0) => throw new ArgumentException("std must be above 0"),
            _ => Std,
        };

    /// <summary>How images are normalised; null for what is known of the set.</summary>
    internal Normalization? Normalization =>
        Mean is { } mean && Std is { } std ? new([.. mean.Select(value => (float)value)], [.. std.Select(value => (float)value)]) : null;

    /// <summary>How many images may be unreadable.</summary>
    internal Data.Loading.UnreadableLimit Unreadable => new(UnreadableLimit, UnreadableAllowed);

    /// <summary>Samples of each class in a batch; 1 where classes are left to chance.</summary>
    /// <param name="wanted">By the objective, where the recipe leaves the order open; null for any.</param>
    internal int InstancesOr(int? wanted) => Instances ?? (Sampling == DataSampling.Shuffled && Repeats == 1 ? wanted ?? 1 : 1);

    /// <summary>The order in which training reads the samples.</summary>
    /// <param name="data">What is trained on.</param>
    /// <param name="wanted">Samples of each class in a batch that the objective wants; null for any.</param>
    /// <exception cref="DataException">It goes by classes, and the samples do not have one class each.</exception>
    internal Sampler SamplerOf(Dataset data, int? wanted) =>
        Sampling == DataSampling.Balanced ? new Balanced(ClassLabels.Of(data))
        : Repeats > 1 ? new RepeatedAugmentation(Repeats)
        : InstancesOr(wanted) is > 1 and var instances ? new ByClass(ClassLabels.Of(data), instances, Batch)
        : new Shuffled();

    /// <summary>Whether samples of the split are left out by a draw.</summary>
    internal bool IsDrawn =>
        PerClass is not null
        || Limit is not null
        || Fraction is not null
        || TrainClasses is not null
        || Split is RestOfTraining or HeldOut
        || HoldsOut;

    /// <summary>Whether the split to learn from leaves out a part by itself, since there is none to measure on.</summary>
    internal bool HoldsOut =>
        Split == Training && Root is not null && Datasets.Find(Name).HoldsOut && Datasets.MeasuredSplit(Name, Root) is null;

    /// <summary>Where batches are made: on the device that trains, or (null) on the processor.</summary>
    /// <param name="device">That trains.</param>
    /// <param name="data">What is read.</param>
    /// <param name="pipeline">What happens to it.</param>
    /// <param name="measuring">Whether a model is measured by them: what cannot be on the device is made on the processor then.</param>
    /// <exception cref="RunException">The recipe asks for the device, and they cannot be made there.</exception>
    internal Device? BatchDevice(Device device, LoadableDataset data, Pipeline pipeline, bool measuring = false)
    {
        if (OnDevice == OnDevice.False || (OnDevice == OnDevice.Auto && device.Type != DeviceType.Cuda))
            return null;
        if (data.DeviceObstacle(pipeline) is not { } obstacle)
            return device;
        return OnDevice == OnDevice.True && !measuring
            ? throw new RunException($"data.on_device cannot be true with {data.Name}: {obstacle}")
            : null;
    }

    /// <summary>
    /// Opens a split; minitrain and minival are two parts of train, with every class in the same share. Where the classes are divided
    /// (<c>train_classes</c>), seen is the training split with those to learn from, and unseen what is measured on, with the others.
    /// </summary>
    /// <param name="split">Name of the split.</param>
    /// <param name="stop">Ends a long search through folders.</param>
    /// <exception cref="DataException">There is no such split, or the files are missing or malformed.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public Dataset Open(string split, CancellationToken stop = default)
    {
        if (TrainClasses is { } count && split is SeenClasses or UnseenClasses)
            return OfClasses(split, count, stop);
        if (split == Training && HoldsOut)
            split = RestOfTraining;
        if (split is not (RestOfTraining or HeldOut) || Datasets.Find(Name).Splits.Contains(split))
            return OpenSet(split, stop);
        var whole = OpenSet(Training, stop);
        var (rest, heldOut) = StratifiedSampling.Divide(whole, Minival, SubsetSeed);
        return whole.Part(split == HeldOut ? heldOut : rest, split);
    }

    // Both parts go by the names of the classes, which two splits may number differently.
    private Dataset OfClasses(string part, int count, CancellationToken stop)
    {
        var training = OpenSet(Split, stop);
        var learned = ClassSplit.Draw(training, count, SubsetSeed).ToHashSet(StringComparer.Ordinal);
        if (part == SeenClasses)
            return ClassSplit.Part(training, learned.Contains, part);
        var measured = Datasets.MeasuredSplit(Name, Root) is { } other && other != Split ? OpenSet(other, stop) : training;
        return ClassSplit.Part(measured, name => !learned.Contains(name), part);
    }

    private Dataset OpenSet(string split, CancellationToken stop) => Datasets.Open(Name, split, Root, stop).WithMaxPixels(MaxPixels);

    /// <summary>Opens what is trained on.</summary>
    /// <param name="stop">Ends a long search through folders.</param>
    /// <exception cref="DataException">There is no such split, or the files are missing or malformed.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public Dataset OpenTraining(CancellationToken stop = default)
    {
        var data = Open(TrainClasses is null ? Split : SeenClasses, stop);
        if (PerClass is not null && data.ClassNames.Count == 0)
            throw new DataException(
                $"{Name}: data.per_class needs samples with classes, and these have none: data.limit takes a number of all"
            );
        if (PerClass is { } count)
            data = data.Part(StratifiedSampling.Draw(data, count, SubsetSeed));
        if (Fraction is { } share)
            data = data.Part(StratifiedSampling.Draw(data, share, SubsetSeed));
        if (List is not null)
            data = data.Part(SampleList.Read(List, data));
        return Limited(data, Limit);
    }

    /// <summary>
    /// The split that the model is measured on where the recipe names none: the classes that are not learned from, else test, else validation.
    /// </summary>
    /// <exception cref="DataException">The data has no such split; the message says what can be done.</exception>
    internal string MeasuredSplit() =>
        TrainClasses is not null
            ? UnseenClasses
            : Datasets.MeasuredSplit(Name, Root)
                ?? (
                    Split == RestOfTraining || HoldsOut
                        ? HeldOut
                        : throw new DataException(
                            $"{Name}: {Root ?? "the data"} has no test or validation split to measure on: hold out a part of the training samples "
                                + $"with data.split={RestOfTraining} (and evaluation.split={HeldOut}), or measure on them again with "
                                + $"evaluation.split={Split}"
                        )
                );

    /// <summary>No more than a number of samples, of all classes in proportion to their size.</summary>
    internal Dataset Limited(Dataset data, int? limit) =>
        limit is { } most && most < data.Count ? data.Part(StratifiedSampling.Take(data, most, SubsetSeed)) : data;
}
