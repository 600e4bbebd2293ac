using System.Collections.Frozen;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>A data set that can be opened by name.</summary>
/// <param name="Name">As recipes and the command line write it.</param>
/// <param name="Summary">A description in one line.</param>
/// <param name="Splits">Parts that it has.</param>
/// <param name="Folder">Where it lies below the cache folder when no root is given.</param>
/// <param name="Open">Opens a split in a folder; null for where it is looked for by itself.</param>
/// <param name="Elsewhere">A folder that a package of the system puts it into; null where none does.</param>
public sealed record DatasetKind(
    string Name,
    string Summary,
    IReadOnlyList<string> Splits,
    string Folder,
    Func<string, string?, Dataset> Open,
    string? Elsewhere = null
)
{
    /// <summary>
    /// Which of the splits a folder has, for data that lies in a folder of the user's own (<see cref="IsOwn"/>); null where all are there.
    /// </summary>
    public Func<string, IReadOnlyList<string>>? SplitsIn { get; init; }

    /// <summary>Whether it is data of one's own, of which a root must name the folder.</summary>
    public bool IsOwn => SplitsIn is not null;

    /// <summary>
    /// Whether a training holds out a part of the samples by itself where there is no split to measure on: of samples without labels, which
    /// nobody has divided for a purpose.
    /// </summary>
    public bool HoldsOut { get; init; }

    /// <summary>Opens a split for a look at it, with faults that <see cref="Open"/> refuses; null where that makes no difference.</summary>
    public Func<string, string?, Dataset>? OpenLeniently { get; init; }

    /// <summary>
    /// The same as <see cref="Open"/> with a token that ends a long search through folders; null where opening takes no time.
    /// </summary>
    public Func<string, string?, CancellationToken, Dataset>? OpenStoppable { get; init; }

    /// <summary>Whether what is measured is of other classes than what is learned from, by design, as for retrieval.</summary>
    public bool OtherClasses { get; init; }

    /// <summary>The splits that share no sample, where others are made of the same samples; null for all.</summary>
    public IReadOnlyList<string>? Disjoint { get; init; }

    /// <summary>Splits whose labels are not published, each with the reason and what to do instead; null where there are none.</summary>
    public IReadOnlyDictionary<string, string>? Withheld { get; init; }

    /// <summary>
    /// The folder that it is in when no root is given, or below a root; null where it is absent. Its files are not looked into.
    /// </summary>
    /// <param name="root">Folder below which data sets lie; the cache and where packages put sets when null.</param>
    public string? Find(string? root = null)
    {
        var own = Path.Combine(root ?? Datasets.Cache, Folder);
        if (Directory.Exists(own) && Directory.EnumerateFileSystemEntries(own).Any())
            return own;
        return root is null && Directory.Exists(Elsewhere) ? Elsewhere : null;
    }
}

/// <summary>All data sets by name. Threads may add and read at once.</summary>
public static class Datasets
{
    private static readonly Lock gate = new();
    private static volatile FrozenDictionary<string, DatasetKind> kinds = Ours();

    /// <summary>Name to data set.</summary>
    public static IReadOnlyDictionary<string, DatasetKind> Kinds => kinds;

    /// <summary>Makes a data set known by its name, for recipes and whatever else opens data by name.</summary>
    /// <param name="kind">The data set. Its name consists of small letters, digits and underscores.</param>
    /// <exception cref="DataException">Another data set has the name, or the name or the splits cannot be used.</exception>
    public static void Add(DatasetKind kind)
    {
        if (kind.Name.Length == 0 || !kind.Name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))
            throw new DataException($"data set '{kind.Name}': the name must consist of small letters, digits and _");
        if (kind.Splits.Count == 0)
            throw new DataException($"data set '{kind.Name}' must have at least one split");
        lock (gate)
        {
            if (kinds.TryGetValue(kind.Name, out var taken))
                throw new DataException(
                    $"data set '{kind.Name}' is there already ({taken.Summary}): the one that is added ({kind.Summary}) needs another name"
                );
            kinds = kinds.Values.Append(kind).ToFrozenDictionary(one => one.Name);
        }
    }

    private static FrozenDictionary<string, DatasetKind> Ours() =>
        new DatasetKind[]
        {
            MnistFamily.FashionMnist,
            MnistFamily.Mnist,
            MnistFamily.Kmnist,
            Cifar.Cifar10,
            Cifar.Cifar100,
            Stl10.Kind,
            TextSets.AgNews,
            TextSets.Trec,
            TextSets.Sst2,
            ImageFolder.Kind,
            Pictures.Kind,
            ImageFolders.ImageNet,
            ImageFolders.TinyImageNet,
            ImageFolders.Flowers,
            ImageFolders.Cub,
            ImageFolders.CubRetrieval,
            RetrievalSets.Products,
            RetrievalSets.InShop,
            RevisitedSets.Oxford,
            RevisitedSets.Paris,
            ImageTrees.Folders,
            ImageTrees.Names,
            ImageTables.OneClass,
            ImageTables.MultiLabel,
            MultiLabelFolders.Kind,
            Ade20k.Kind,
            Cityscapes.Streets,
            Cityscapes.Acdc,
            NyuDepth.Forty,
            NyuDepth.Thirteen,
            PascalVoc.Kind,
            Lip.Kind,
            CocoStuff.Large,
            CocoStuff.Small,
            CamVid.Kind,
            SegmentationFolder.Kind,
            Coco.Kind,
            CocoFolder.Kind,
            VocFolder.Kind,
            VocFolder.ZeroBased,
            YoloFolder.Kind,
            DetectionFolder.Kind,
        }.ToFrozenDictionary(kind => kind.Name);

    /// <summary>Where data sets lie when no root is given: <c>$TESSERA_DATA</c>, else <c>~/.cache/tessera</c>.</summary>
    public static string Cache =>
        Environment.GetEnvironmentVariable("TESSERA_DATA") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "tessera");

    /// <summary>The data set of a name; hyphens and capitals are forgiven.</summary>
    /// <exception cref="DataException">Unknown.</exception>
    public static DatasetKind Find(string name)
    {
        var key = name.ToLowerInvariant().Replace('-', '_');
        return Kinds.TryGetValue(key, out var kind)
            ? kind
            : throw new DataException(
                $"data set '{name}' is unknown: there are {string.Join(", ", Kinds.Keys.Order())}; "
                    + "Datasets.Add makes one of your own known"
            );
    }

    /// <summary>The splits that can be opened: those that a folder of one's own has, or all of a published set.</summary>
    /// <param name="name">Name in <see cref="Kinds"/>.</param>
    /// <param name="root">Folder of the files.</param>
    /// <exception cref="DataException">An unknown name, or a folder that does not exist or cannot be understood.</exception>
    public static IReadOnlyList<string> Splits(string name, string? root = null)
    {
        var kind = Find(name);
        if (kind.SplitsIn is null || root is null)
            return kind.Splits;
        CheckRoot(kind, root);
        return kind.SplitsIn(root);
    }

    /// <summary>The split that a model is measured on where none is chosen: test, else validation.</summary>
    /// <param name="name">Name in <see cref="Kinds"/>.</param>
    /// <param name="root">Folder of the files.</param>
    /// <returns>Null where the data has neither.</returns>
    /// <exception cref="DataException">An unknown name, or a folder that does not exist or cannot be understood.</exception>
    public static string? MeasuredSplit(string name, string? root = null)
    {
        var splits = Splits(name, root);
        string[] wanted = ["test", .. SplitNames.Of("val")!, "dev"];
        return wanted.FirstOrDefault(splits.Contains);
    }

    /// <summary>Opens a data set.</summary>
    /// <param name="name">Name in <see cref="Kinds"/>.</param>
    /// <param name="split">Part, as in <c>train</c> or <c>test</c>.</param>
    /// <param name="root">Folder that holds its files; the usual places when null.</param>
    /// <param name="stop">Ends a long search through folders.</param>
    /// <exception cref="DataException">An unknown name or split, or files that are missing or malformed.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Dataset Open(string name, string split, string? root = null, CancellationToken stop = default)
    {
        var kind = Find(name);
        if (kind.Withheld?.TryGetValue(split, out var reason) == true)
            throw new DataException($"{kind.Name} has no labels for the split '{split}': {reason}");
        if (!kind.Splits.Contains(split))
            throw new DataException($"{kind.Name} has no split '{split}': there are {string.Join(", ", kind.Splits)}");
        CheckRoot(kind, root);
        stop.ThrowIfCancellationRequested();
        return kind.OpenStoppable is { } stoppable ? stoppable(split, root, stop) : kind.Open(split, root);
    }

    private static void CheckRoot(DatasetKind kind, string? root)
    {
        if (root is not null && !Directory.Exists(root))
            throw new DataException($"{kind.Name}: the folder {root} does not exist");
    }

    /// <summary>Opens a data set of images.</summary>
    /// <inheritdoc cref="Open"/>
    public static ImageDataset OpenImages(string name, string split, string? root = null, CancellationToken stop = default) =>
        Open(name, split, root, stop) as ImageDataset ?? throw new DataException($"{name} is no set of images");
}
