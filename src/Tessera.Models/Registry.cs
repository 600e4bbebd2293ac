using System.IO.Enumeration;

namespace Tessera.Models;

/// <summary>All named models.</summary>
public static class Registry
{
    /// <summary>Every variant of every architecture, in the order of their files.</summary>
    public static IReadOnlyList<Variant> All { get; } =
    [
        .. Vit.Variants,
        .. Deit.Variants,
        .. Cct.Variants,
        .. TextCct.Variants,
        .. LvVit.Variants,
        .. DynamicVit.Variants,
        .. Sret.Variants,
    ];

    /// <summary>Variants whose names match a pattern with wildcards (<c>cct_*</c>); a plain text finds names that contain it.</summary>
    public static IEnumerable<Variant> Find(string pattern)
        => All.Where(v => FileSystemName.MatchesSimpleExpression(pattern.AsSpan().ContainsAny('*', '?') ? pattern : $"*{pattern}*", v.Name));

    /// <summary>The variant of a name.</summary>
    /// <exception cref="UnknownModelException">There is none; the message names the nearest ones.</exception>
    public static Variant Get(string name) => All.FirstOrDefault(v => v.Name == name) ?? throw new UnknownModelException(name, Nearest(name));

    /// <summary>Builds a model by name.</summary>
    /// <exception cref="UnknownModelException">There is none of that name.</exception>
    public static Backbone Create(string name, ModelOptions? options = null) => Get(name).Create(options ?? new());

    private static string[] Nearest(string name) => [.. All.Select(v => v.Name).OrderBy(other => Distance(name, other)).Take(3)];

    // Levenshtein's distance by rows.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}

/// <summary>No model has this name.</summary>
public sealed class UnknownModelException(string name, IReadOnlyList<string> nearest) : Exception($"unknown model '{name}'; the nearest names are {string.Join(", ", nearest)} (tessera models lists all)");
