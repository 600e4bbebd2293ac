namespace Tessera.Data.Sets;

/// <summary>Which classes a data set of one's own has, in which order.</summary>
internal static class ClassList
{
    /// <summary>The classes of <c>classes.txt</c> in its order; without one, all names by code point.</summary>
    internal static string[] Of(string root, IEnumerable<string> names) =>
        Read(root) ?? [.. names.Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The classes of <c>classes.txt</c>, one a line; null where there is no such file.</summary>
    internal static string[]? Read(string root)
    {
        var path = Path.Combine(root, "classes.txt");
        if (!File.Exists(path))
            return null;
        string[] names = [.. DataFiles.Lines(path).Select(line => line.Trim())];
        if (names.Length == 0)
            throw new DataFormatException(path, null, "the file must name a class a line");
        return names.CountBy(name => name).FirstOrDefault(name => name.Value > 1).Key is { } twice
            ? throw new DataFormatException(path, null, $"'{twice}' is there twice")
            : names;
    }
}
