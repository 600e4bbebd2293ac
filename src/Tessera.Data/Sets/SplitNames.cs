namespace Tessera.Data.Sets;

/// <summary>Names of the parts of a data set of one's own.</summary>
internal static class SplitNames
{
    /// <summary>Names of the same part, the usual one first.</summary>
    internal static string[][] Groups { get; } =
    [
        ["train"],
        ["val", "valid", "validation"],
        ["test"],
    ];

    internal static IReadOnlyList<string> All { get; } = [.. Groups.SelectMany(names => names)];

    /// <summary>All names of the part that a name stands for; null for no part.</summary>
    internal static string[]? Of(string split) => Array.Find(Groups, names => names.Contains(split));
}
