using System.Globalization;

namespace Tessera.Data.Checks;

/// <summary>Names of classes and files that people or programs take for other names.</summary>
internal static class OddNames
{
    /// <summary>What is odd about a name; null for nothing.</summary>
    internal static string? Of(string name) =>
        name.Any(char.IsControl) ? "control characters"
        : name.Length > 0 && (char.IsWhiteSpace(name[0]) || char.IsWhiteSpace(name[^1])) ? "a space at the beginning or the end"
        : name.Any(IsInvisible) ? "characters that cannot be seen"
        : null;

    /// <summary>Groups of names that are not equal and have the same key.</summary>
    /// <param name="names">The names.</param>
    /// <param name="key">What must not be equal.</param>
    internal static IReadOnlyList<IReadOnlyList<string>> Alike(IEnumerable<string> names, Func<string, string> key) =>
        [
            .. names
                .Distinct(StringComparer.Ordinal)
                .GroupBy(key, StringComparer.Ordinal)
                .Select(group => (IReadOnlyList<string>)[.. group])
                .Where(group => group.Count > 1),
        ];

    /// <summary>A name in quotes, what cannot be seen in it as its code.</summary>
    internal static string Quoted(string name) => $"'{string.Concat(name.Select(Shown))}'";

    private static string Shown(char c) =>
        char.IsControl(c) || IsInvisible(c) ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : c.ToString();

    private static bool IsInvisible(char c) =>
        CharUnicodeInfo.GetUnicodeCategory(c)
            is UnicodeCategory.Format
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator;
}
