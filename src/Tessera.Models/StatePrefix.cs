using System.Text;

namespace Tessera.Models;

/// <summary>Prefixes that frameworks put in front of all names of a network: <c>model.</c>, <c>net.</c>, <c>backbone.</c>.</summary>
internal static class StatePrefix
{
    private static readonly string[] known = ["module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder."];

    /// <summary>Takes away the prefix that all names have in common and the model does not.</summary>
    /// <param name="own">The model's names.</param>
    /// <param name="state">The tensors by the file's names.</param>
    /// <returns>A sentence on what was done; null for nothing.</returns>
    internal static string? TakeAway(IReadOnlySet<string> own, OrderedDictionary<string, Tensor> state)
    {
        var prefix = Common(own, state.Keys);
        if (prefix.Length == 0)
            return null;
        KeyValuePair<string, Tensor>[] given = [.. state];
        state.Clear();
        foreach (var (name, tensor) in given)
            state[name[prefix.Length..]] = tensor;
        return $"all {given.Length} names begin with '{prefix}', which was taken away";
    }

    /// <summary>
    /// The prefix that all names have in common and the model does not: as much of it as brings the most names to the
    /// model's; where none fits, what frameworks are known to add.
    /// </summary>
    /// <param name="own">The model's names.</param>
    /// <param name="names">Those of the file.</param>
    /// <returns>The prefix with its dot; empty for none.</returns>
    internal static string Common(IReadOnlySet<string> own, IReadOnlyCollection<string> names)
    {
        if (names.Count == 0)
            return "";
        var common = CommonParts(names);
        var (best, most) = ("", names.Count(own.Contains));
        for (var dot = common.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = common.IndexOf('.', dot + 1))
        {
            var prefix = common[..(dot + 1)];
            if (names.Count(name => own.Contains(name[prefix.Length..])) is var fitting && fitting > most)
                (best, most) = (prefix, fitting);
        }
        return most > 0 ? best : Known(common);
    }

    private static string Known(string common)
    {
        var prefix = new StringBuilder();
        while (Array.Find(known, part => common.AsSpan(prefix.Length).StartsWith(part, StringComparison.Ordinal)) is { } part)
            prefix.Append(part);
        return prefix.ToString();
    }

    /// <summary>The parts of names, with their dots, that all begin with.</summary>
    private static string CommonParts(IReadOnlyCollection<string> names)
    {
        var common = names.First();
        foreach (var name in names)
            common = common[..common.AsSpan().CommonPrefixLength(name)];
        return common[..(common.LastIndexOf('.') + 1)];
    }

    /// <summary>Prefixes of some names alone below which most of the model's names lie: what a user may have meant.</summary>
    /// <param name="own">The model's names.</param>
    /// <param name="names">Those of the file.</param>
    internal static IReadOnlyList<string> Candidates(IReadOnlySet<string> own, IReadOnlyCollection<string> names)
    {
        var found = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var name in names)
            for (var dot = name.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = name.IndexOf('.', dot + 1))
                if (own.Contains(name[(dot + 1)..]))
                    found[name[..(dot + 1)]] = found.GetValueOrDefault(name[..(dot + 1)]) + 1;
        return [.. found.Where(entry => 2 * entry.Value > own.Count).OrderByDescending(entry => entry.Value).Select(entry => entry.Key)];
    }
}
