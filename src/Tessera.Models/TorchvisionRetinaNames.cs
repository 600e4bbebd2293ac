using System.Text.RegularExpressions;

namespace Tessera.Models;

/// <summary>The names of torchvision's RetinaNet, and mmdetection's.</summary>
internal static partial class TorchvisionRetinaNames
{
    private const string Neck = "backbone.fpn.";

    /// <summary>Brings a checkpoint to mmdetection's names.</summary>
    /// <param name="state">The tensors by name; changed in place.</param>
    /// <param name="own">The model's tensors by name.</param>
    /// <param name="levels">How many maps the pyramid uses.</param>
    /// <returns>Whether it was one of torchvision's.</returns>
    internal static bool Convert(OrderedDictionary<string, Tensor> state, IReadOnlyDictionary<string, Tensor> own, int levels)
    {
        if (!state.ContainsKey("head.classification_head.cls_logits.weight"))
            return false;
        KeyValuePair<string, Tensor>[] given = [.. state];
        state.Clear();
        OrderedDictionary<string, Tensor> neck = new(given.Where(entry => entry.Key.StartsWith(Neck, StringComparison.Ordinal)));
        foreach (var (name, value) in given.Where(entry => !neck.ContainsKey(entry.Key)))
            state[Renamed(name)] = value;
        if (neck.Count > 0)
            foreach (var (name, value) in FpnNames.Find(neck, levels))
                state[$"neck.{name}"] = value;
        // Its frozen norms count no batches.
        foreach (var (name, value) in own)
            if (name.EndsWith(".num_batches_tracked", StringComparison.Ordinal))
                state.TryAdd(name, value);
        return true;
    }

    private static string Renamed(string name)
    {
        if (Tower().Match(name) is { Success: true } match)
        {
            // Without an index behind in versions before the norm was an option.
            var part = match.Groups["part"].Value == ".1" ? "gn" : "conv";
            var index = match.Groups["part"].Success
                ? match.Groups["index"].Value
                : (int.Parse(match.Groups["index"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture) / 2).ToString(
                    System.Globalization.CultureInfo.InvariantCulture
                );
            return $"bbox_head.{(match.Groups["kind"].Value == "classification" ? "cls" : "reg")}_convs.{index}.{part}."
                + match.Groups["rest"].Value;
        }
        foreach (
            var (theirs, ours) in new[]
            {
                ("backbone.body.", "backbone."),
                ("head.classification_head.cls_logits.", "bbox_head.retina_cls."),
                ("head.regression_head.bbox_reg.", "bbox_head.retina_reg."),
            }
        )
            if (name.StartsWith(theirs, StringComparison.Ordinal))
                return ours + name[theirs.Length..];
        return name;
    }

    [GeneratedRegex(
        @"^head\.(?<kind>classification|regression)_head\.conv\.(?<index>\d+)(?<part>\.[01])?\.(?<rest>weight|bias)$",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Tower();
}
