using System.Globalization;
using Tessera.Data;
using Tessera.Data.Sets;

namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>Names of classes, which files may have as numbers.</summary>
/// <param name="path">File that lists the names; null for none.</param>
internal sealed class ClassNames(string? path)
{
    private const int MostDigits = 9;

    /// <summary>All names; null where no file lists them.</summary>
    internal IReadOnlyList<string>? All { get; } = path is null ? null : ClassList.ReadFile(path);

    /// <summary>The name of a class: a number stands for a name where names are listed.</summary>
    /// <exception cref="DataException">A number without a name.</exception>
    internal string Name(string given) =>
        All is null || All.Contains(given) || !IsNumber(given) ? given
        : Number(given) < All.Count ? All[Number(given)]
        : throw new DataException($"class {given} has no name: {path} lists {All.Count}, and they count from 0");

    /// <summary>All names, or those that occur where no file lists any: by number if all are numbers, else by their characters.</summary>
    /// <param name="present">Names that occur.</param>
    /// <exception cref="DataException">A name that is none of those that are listed.</exception>
    internal IReadOnlyList<string> With(IReadOnlyCollection<string> present)
    {
        if (All is null)
            return present.All(IsNumber) ? [.. present.OrderBy(Number)] : [.. present.Order(StringComparer.Ordinal)];
        return present.Except(All).FirstOrDefault() is { } stranger
            ? throw new DataException($"class '{stranger}' of the truth is none of those that {path} lists")
            : All;
    }

    /// <summary>Whether a class is named by a number.</summary>
    internal static bool IsNumber(string name) => name.Length <= MostDigits && name.All(char.IsAsciiDigit);

    private static int Number(string name) => int.Parse(name, NumberStyles.None, CultureInfo.InvariantCulture);
}
