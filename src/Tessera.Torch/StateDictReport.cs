namespace Tessera;

/// <summary>The differences between the names and shapes of a checkpoint and of a module.</summary>
/// <param name="Missing">Names that the module has and the checkpoint lacks.</param>
/// <param name="Unexpected">Names that the checkpoint has and the module lacks.</param>
/// <param name="Mismatched">Names with different shapes: the module's and the checkpoint's.</param>
public sealed record StateDictReport(
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unexpected,
    IReadOnlyList<(string Name, Shape Own, Shape Given)> Mismatched
)
{
    /// <summary>Whether no name is missing or unexpected.</summary>
    public bool Complete => Missing.Count == 0 && Unexpected.Count == 0;

    /// <summary>Compares names and shapes.</summary>
    public static StateDictReport Compare(IReadOnlyDictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> given) =>
        Compare(own, given, tensor => tensor.Shape);

    internal static StateDictReport Compare<T>(
        IReadOnlyDictionary<string, Tensor> own,
        IReadOnlyDictionary<string, T> given,
        Func<T, Shape> shape
    )
    {
        List<string> missing = [];
        List<(string, Shape, Shape)> mismatched = [];
        foreach (var (name, tensor) in own)
        {
            if (!given.TryGetValue(name, out var value))
                missing.Add(name);
            else if (shape(value) != tensor.Shape)
                mismatched.Add((name, tensor.Shape, shape(value)));
        }
        return new(missing, [.. given.Keys.Where(name => !own.ContainsKey(name))], mismatched);
    }

    /// <summary>How many differences there are of each kind, with the first of them.</summary>
    public override string ToString()
    {
        string[] kinds =
        [
            .. Kind("missing", Missing),
            .. Kind("unexpected", Unexpected),
            .. Kind("of another shape", [.. Mismatched.Select(m => $"{m.Name} ({m.Own} here, {m.Given} given)")]),
        ];
        return kinds.Length == 0 ? "all names and shapes agree" : string.Join("; ", kinds);
    }

    private static IEnumerable<string> Kind(string kind, IReadOnlyList<string> names)
    {
        const int shown = 5;
        if (names.Count == 0)
            return [];
        // All of a few: cutting one name away saves nothing.
        return names.Count <= shown + 1
            ? [$"{kind}: {string.Join(", ", names)}"]
            : [$"{names.Count} {kind}: {string.Join(", ", names.Take(shown))} and {names.Count - shown} more"];
    }
}

/// <summary>A checkpoint does not fit a module; the message has the first few differences.</summary>
/// <param name="module">Kind of the module.</param>
/// <param name="report">All differences.</param>
/// <param name="hint">What may help; null for nothing.</param>
public sealed class StateDictException(string module, StateDictReport report, string? hint = null)
    : Exception($"the weights do not fit {module}: {report}{(hint is null ? "" : $"; {hint}")}")
{
    /// <summary>All differences.</summary>
    public StateDictReport Report { get; } = report;

    /// <summary>The same with one more hint.</summary>
    internal StateDictException With(string further) => new(module, Report, hint is null ? further : $"{hint}; {further}");
}
