using System.Text.RegularExpressions;

namespace Tessera.Models;

/// <summary>The names of feature pyramids in published checkpoints.</summary>
internal static partial class FpnNames
{
    // A whole detector's before the bare names.
    private static readonly string[] prefixes = ["neck.", "backbone.fpn.", "fpn.", ""];

    /// <summary>
    /// The tensors of the pyramid under mmdetection's names without a prefix. torchvision calls the convolutions <c>inner_blocks</c> and
    /// <c>layer_blocks</c>, since version 0.14 with an index behind; the two levels more of its RetinaNet are <c>p6</c> and <c>p7</c>.
    /// </summary>
    /// <param name="state">A checkpoint.</param>
    /// <param name="levels">How many maps the pyramid uses.</param>
    /// <returns>All of the checkpoint where none of it is a pyramid.</returns>
    internal static OrderedDictionary<string, Tensor> Find(IReadOnlyDictionary<string, Tensor> state, int levels)
    {
        var prefix = Array.Find(prefixes, prefix =>
            state.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal) && Is(name[prefix.Length..]))
        );
        return prefix is null
            ? new(state)
            : new(
                state
                    .Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))
                    .Select(entry => KeyValuePair.Create(Convert(entry.Key[prefix.Length..], levels), entry.Value))
            );
    }

    private static bool Is(string name) =>
        name.StartsWith("lateral_convs.", StringComparison.Ordinal) || name.StartsWith("inner_blocks.", StringComparison.Ordinal);

    private static string Convert(string name, int levels)
    {
        if (Torchvision().Match(name) is { Success: true } block)
            return (block.Groups["kind"].Value == "inner" ? "lateral_convs." : "fpn_convs.")
                + $"{block.Groups["level"].Value}.{(block.Groups["part"].Value == ".1" ? "bn" : "conv")}.{block.Groups["rest"].Value}";
        if (Extra().Match(name) is { Success: true } extra)
            return $"fpn_convs.{levels + (extra.Groups["level"].Value == "6" ? 0 : 1)}.conv.{extra.Groups["rest"].Value}";
        return name;
    }

    [GeneratedRegex(@"^(?<kind>inner|layer)_blocks\.(?<level>\d+)(?<part>\.[01])?\.(?<rest>[a-z_]+)$", RegexOptions.CultureInvariant)]
    private static partial Regex Torchvision();

    [GeneratedRegex(@"^extra_blocks\.p(?<level>[67])\.(?<rest>weight|bias)$", RegexOptions.CultureInvariant)]
    private static partial Regex Extra();
}
