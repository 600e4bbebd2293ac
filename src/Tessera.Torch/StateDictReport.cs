using System.Text;

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

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder();
        if (Missing.Count > 0)
            text.Append("missing: ").AppendJoin(", ", Missing).Append("; ");
        if (Unexpected.Count > 0)
            text.Append("unexpected: ").AppendJoin(", ", Unexpected).Append("; ");
        if (Mismatched.Count > 0)
            text.Append("of another shape: ")
                .AppendJoin(", ", Mismatched.Select(m => $"{m.Name} ({m.Own} here, {m.Given} given)"))
                .Append("; ");
        return text.Length == 0 ? "all names and shapes agree" : text.ToString(0, text.Length - 2);
    }
}

/// <summary>A checkpoint does not fit a module.</summary>
public sealed class StateDictException(string module, StateDictReport report) : Exception($"the weights do not fit {module}: {report}")
{
    /// <summary>All differences.</summary>
    public StateDictReport Report { get; } = report;
}
