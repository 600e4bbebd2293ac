using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own with a mask each.</summary>
internal static class SegmentationFolder
{
    private const string Name = "segmentation_folder";

    internal static DatasetKind Kind { get; } =
        OwnParts.Kind(
            Name,
            "images of your own with masks of classes: SPLIT/images and SPLIT/masks, or images and masks with SPLIT in them or in lists",
            Open,
            root => OwnParts.InOrder([.. MaskFolders.Find(Name, root).Parts.Keys])
        ) with
        {
            Folder = "segmentation",
        };

    private static FileImages Open(string split, string? root, bool lenient, CancellationToken stop)
    {
        if (root is null)
            throw new DataException($"{Name}: data.root must name the folder");
        var folders = MaskFolders.Find(Name, root);
        var part = Part(split, root, folders);
        // A rule holds for all splits: what a value is must not depend on the split that is opened.
        var samples = folders.Parts.ToDictionary(one => one.Key, one => MaskPairs.Of(Name, one.Value, stop));
        var rule = MaskRule.Of(
            Name,
            ListedClasses.Read(root),
            [.. samples.OrderBy(one => one.Key, StringComparer.Ordinal).SelectMany(one => one.Value.Pairs).Select(pair => pair.Map)],
            lenient,
            stop
        );
        var own = samples[part];
        return new(
            Name,
            split,
            [.. own.Pairs.Select(pair => pair.Image)],
            new LabelMaps(rule.Names, [.. own.Pairs.Select(pair => pair.Map)], rule.Rule, LabelFile.Read) { Palette = rule.Palette }
        )
        {
            Remarks = [.. rule.Remarks, .. own.Remarks, .. folders.Remarks],
        };
    }

    private static string Part(string split, string root, MaskFolders folders) =>
        SplitNames.Of(split) is [var bare, ..] && folders.WithoutMasks.Contains(bare)
            ? throw new DataException(
                $"{Name}: the split '{split}' in {root} has images and no masks: nothing can be learned from it or measured on it"
            )
            : OwnParts.Choose(Name, root, split, [.. folders.Parts.Keys]);
}
