using System.Text.RegularExpressions;

namespace Tessera.Models;

/// <summary>The names of torchvision's Faster and Mask R-CNN, in which background is the first class, and mmdetection's.</summary>
internal static partial class TorchvisionRcnnNames
{
    private const int Maps = 4;

    private static readonly (string Theirs, string Ours)[] names =
    [
        ("backbone.body.", "backbone."),
        ("rpn.head.conv.0.0.", "rpn_head.rpn_conv."),
        ("rpn.head.conv.", "rpn_head.rpn_conv."),
        ("rpn.head.cls_logits.", "rpn_head.rpn_cls."),
        ("rpn.head.bbox_pred.", "rpn_head.rpn_reg."),
        ("roi_heads.box_head.fc6.", "roi_head.bbox_head.shared_fcs.0."),
        ("roi_heads.box_head.fc7.", "roi_head.bbox_head.shared_fcs.1."),
        ("roi_heads.box_predictor.cls_score.", "roi_head.bbox_head.fc_cls."),
        ("roi_heads.box_predictor.bbox_pred.", "roi_head.bbox_head.fc_reg."),
        ("roi_heads.mask_predictor.conv5_mask.", "roi_head.mask_head.upsample."),
        ("roi_heads.mask_predictor.mask_fcn_logits.", "roi_head.mask_head.conv_logits."),
    ];

    /// <summary>Brings a checkpoint to mmdetection's names and order of classes.</summary>
    /// <param name="state">The tensors by name; changed in place.</param>
    /// <returns>Whether it was one of torchvision's.</returns>
    internal static bool Convert(OrderedDictionary<string, Tensor> state)
    {
        if (!state.ContainsKey("roi_heads.box_predictor.cls_score.weight"))
            return false;
        KeyValuePair<string, Tensor>[] given = [.. state];
        state.Clear();
        OrderedDictionary<string, Tensor> neck = new(given.Where(entry => IsNeck(entry.Key)));
        foreach (var (name, value) in given.Where(entry => !IsNeck(entry.Key)))
            state[Renamed(name)] = InOurOrder(name, value);
        if (neck.Count > 0)
            foreach (var (name, value) in FpnNames.Find(neck, Maps))
                state[$"neck.{name}"] = value;
        return true;
    }

    private static bool IsNeck(string name) => name.StartsWith("backbone.fpn.", StringComparison.Ordinal);

    private static string Renamed(string name)
    {
        if (MaskConvolution().Match(name) is { Success: true } match)
        {
            // Counted from 1 in older versions.
            var index = match.Groups["new"].Success
                ? int.Parse(match.Groups["new"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture)
                : int.Parse(match.Groups["old"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture) - 1;
            return $"roi_head.mask_head.convs.{index}.conv.{match.Groups["rest"].Value}";
        }
        foreach (var (theirs, ours) in names)
            if (name.StartsWith(theirs, StringComparison.Ordinal))
                return ours + name[theirs.Length..];
        return name;
    }

    // Background goes from the first place to the last of the classes, and has neither box nor mask.
    private static Tensor InOurOrder(string name, Tensor value) =>
        name.StartsWith("roi_heads.box_predictor.cls_score.", StringComparison.Ordinal)
            ? Torch.Cat([value.Slice(0, 1), value.Slice(0, 0, 1)])
        : name.StartsWith("roi_heads.box_predictor.bbox_pred.", StringComparison.Ordinal) ? value.Slice(0, 4)
        : name.StartsWith("roi_heads.mask_predictor.mask_fcn_logits.", StringComparison.Ordinal) ? value.Slice(0, 1)
        : value;

    [GeneratedRegex(@"^roi_heads\.mask_head\.(?:(?<new>\d+)\.0|mask_fcn(?<old>\d+))\.(?<rest>weight|bias)$", RegexOptions.CultureInvariant)]
    private static partial Regex MaskConvolution();
}
