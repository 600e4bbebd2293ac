namespace Tessera.Data.Sets;

/// <summary>Which part of a data set of one's own a split stands for.</summary>
internal static class OwnParts
{
    /// <summary>Name of all samples together, where they are not divided.</summary>
    internal const string Whole = "all";

    private const string Training = "train";

    /// <summary>The splits that data of one's own can be opened by.</summary>
    internal static IReadOnlyList<string> Splits { get; } = [.. SplitNames.All, Whole];

    /// <summary>A kind of data of one's own, whose parts are found in its folder.</summary>
    /// <param name="name">Of the kind.</param>
    /// <param name="description">What lies in the folder.</param>
    /// <param name="open">Opens a split.</param>
    /// <param name="splitsIn">The splits that a folder has.</param>
    internal static DatasetKind Kind(
        string name,
        string description,
        Func<string, string?, bool, CancellationToken, Dataset> open,
        Func<string, IReadOnlyList<string>> splitsIn
    ) =>
        new(name, description, Splits, name, (split, root) => open(split, root, false, default))
        {
            OpenStoppable = (split, root, stop) => open(split, root, false, stop),
            SplitsIn = splitsIn,
            OpenLeniently = (split, root) => open(split, root, true, default),
        };

    /// <summary>The usual names of the parts that are there, that to learn from first.</summary>
    internal static IReadOnlyList<string> InOrder(IReadOnlyCollection<string> parts) =>
        parts.Contains(Whole) ? [Whole] : [.. SplitNames.Groups.Select(names => names[0]).Where(parts.Contains)];

    /// <summary>The part of a split.</summary>
    /// <param name="name">Of the data set, in messages.</param>
    /// <param name="root">Its folder.</param>
    /// <param name="split">The split.</param>
    /// <param name="parts">Parts by their usual names; <see cref="Whole"/> alone where the data is not divided.</param>
    /// <exception cref="DataException">There is no such part.</exception>
    internal static string Choose(string name, string root, string split, IReadOnlyCollection<string> parts)
    {
        // Without splits all images are there to learn from; what is measured must be chosen.
        if (parts.Contains(Whole))
            return split is Training or Whole
                ? Whole
                : throw new DataException(
                    $"{name}: {root} has no split '{split}': hold out a part of the images with data.split=minitrain and "
                        + "evaluation.split=minival, divide them by folders or lists, or name all of them with the split all"
                );
        return SplitNames.Of(split) is [var part, ..] && parts.Contains(part)
            ? part
            : throw new DataException($"{name}: {root} has no split '{split}': its splits are {string.Join(", ", parts)}");
    }
}
