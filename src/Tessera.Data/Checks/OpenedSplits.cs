using Tessera.Data.Sets;

namespace Tessera.Data.Checks;

/// <summary>A split, or why it cannot be opened, or both.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Data">Its samples; null where it cannot be opened at all.</param>
/// <param name="Problem">Why a training cannot open it; null where it can.</param>
public sealed record OpenedSplit(string Name, Dataset? Data, string? Problem);

/// <summary>The splits of a data set, opened for a check.</summary>
public sealed class OpenedSplits
{
    // A part to learn from is looked for under these names, in this order.
    private static readonly string[] training = ["train", "all"];

    private readonly IReadOnlyList<string>? disjoint;

    private OpenedSplits(DatasetKind kind, string? root, IReadOnlyList<OpenedSplit> splits)
    {
        (Kind, Root, disjoint) = (kind, root, kind.Disjoint);
        Splits = [.. splits.OrderBy(split => Place(split.Name))];
    }

    /// <summary>The kind of data.</summary>
    public DatasetKind Kind { get; }

    /// <summary>Its folder; null for the usual places.</summary>
    public string? Root { get; }

    /// <summary>The splits, that to learn from first.</summary>
    public IReadOnlyList<OpenedSplit> Splits { get; }

    /// <summary>The split to learn from; null where there is none.</summary>
    public OpenedSplit? Training => Splits is [var first, ..] && training.Contains(first.Name) ? first : null;

    /// <summary>Opens all splits that are there.</summary>
    /// <param name="name">Name in <see cref="Datasets.Kinds"/>.</param>
    /// <param name="root">Folder of the files; the usual places when null.</param>
    /// <param name="stop">Ends a long search through folders.</param>
    /// <exception cref="DataException">An unknown name, a folder that cannot be understood, or no split that can be opened.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static OpenedSplits Open(string name, string? root = null, CancellationToken stop = default)
    {
        var kind = Datasets.Find(name);
        var splits = Datasets.Splits(kind.Name, root).Select(split => Open(kind, split, root, stop)).ToArray();
        return splits.Any(split => split.Data is not null)
            ? new(kind, root, splits)
            : throw new DataException(splits.Length > 0 ? splits[0].Problem! : $"{kind.Name}: {root} holds no split");
    }

    /// <summary>Whether two splits must not share a sample: a published set may have parts that are made of other parts.</summary>
    internal bool AreDisjoint(string first, string second) => disjoint is null || (disjoint.Contains(first) && disjoint.Contains(second));

    // Others come after them, as they are.
    private static int Place(string split) => Array.IndexOf(training, split) is >= 0 and var place ? place : training.Length;

    private static OpenedSplit Open(DatasetKind kind, string split, string? root, CancellationToken stop)
    {
        try
        {
            return new(split, Datasets.Open(kind.Name, split, root, stop), null);
        }
        catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
        {
            return new(split, kind.OpenLeniently is { } open ? TryOpen(open, split, root) : null, Message.OneLine(error.Message));
        }
    }

    private static Dataset? TryOpen(Func<string, string?, Dataset> open, string split, string? root)
    {
        try
        {
            return open(split, root);
        }
        catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
        {
            // The caller has the reason already.
            return null;
        }
    }
}
