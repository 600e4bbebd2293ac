using System.Globalization;

namespace Tessera.Data.Formats;

/// <summary>
/// What is wrong or out of the ordinary in the annotations of a file, or of several: the first problem is thrown, or all of them are kept.
/// </summary>
/// <param name="lenient">Whether problems are kept, to be listed.</param>
internal sealed class AnnotationFaults(bool lenient)
{
    private const int MostPlaces = 20;

    private readonly OrderedDictionary<string, (bool IsProblem, int Count, List<string> Places)> kinds = [];

    /// <summary>Whether problems are kept.</summary>
    internal bool IsLenient => lenient;

    /// <summary>What was found, a kind each.</summary>
    internal IReadOnlyList<AnnotationFinding> Findings =>
        [
            .. kinds.Select(kind => new AnnotationFinding(
                kind.Value.IsProblem,
                string.Create(CultureInfo.InvariantCulture, $"{kind.Key}: {kind.Value.Count}"),
                kind.Value.Places
            )),
        ];

    /// <summary>What was found that is no problem, a line each.</summary>
    internal IEnumerable<string> Remarks =>
        kinds
            .Where(kind => !kind.Value.IsProblem)
            .Select(kind =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{kind.Key}: {kind.Value.Count} ({kind.Value.Places[0]}{(kind.Value.Count > 1 ? ", ..." : "")})"
                )
            );

    /// <summary>Something that a training is refused for; whoever goes on leaves the thing out.</summary>
    /// <param name="kind">What many of them are together, as in <c>annotations of images that the file does not list</c>.</param>
    /// <param name="file">Where it is.</param>
    /// <param name="offset">Byte, where it has one.</param>
    /// <param name="place">Which one it is, as in <c>annotation 17</c>.</param>
    /// <param name="problem">What is wrong with it, and what would be right.</param>
    /// <exception cref="DataFormatException">Problems are not kept.</exception>
    internal void Problem(string kind, string file, long? offset, string place, string problem)
    {
        if (!lenient)
            throw new DataFormatException(file, offset, $"{place}: {problem}");
        Keep(isProblem: true, kind, $"{file}: {place}: {problem}");
    }

    /// <summary>Something that may be meant so.</summary>
    /// <param name="kind">What many of them are together.</param>
    /// <param name="place">Which one it is, with its file where there are several.</param>
    internal void Remark(string kind, string place) => Keep(isProblem: false, kind, place);

    private void Keep(bool isProblem, string kind, string place)
    {
        var own = kinds.TryGetValue(kind, out var known) ? known : (isProblem, 0, []);
        if (own.Places.Count < MostPlaces)
            own.Places.Add(place);
        kinds[kind] = own with { Count = own.Count + 1 };
    }
}
