using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>CamVid (Brostow et al., 2009) as SegNet's authors divided it: streets at 480x360, in 11 classes; 11 does not count.</summary>
internal static class CamVid
{
    private const int Void = 11;

    private static readonly MapSet set = new(
        "camvid",
        LabelTables.CamVid,
        LabelRule.Of(value =>
            value < Void ? value
            : value is Void or LabelMap.Ignored ? LabelMap.Ignored
            : LabelRule.Unknown
        ),
        LabelTables.Tuples(LabelTables.CamVidPalette)
    );

    internal static DatasetKind Kind { get; } =
        new(set.Name, "CamVid: 701 photographs of streets with label maps, 11 classes", ["train", "val", "test"], "camvid", Open);

    private static FileImages Open(string split, string? root)
    {
        var folder = set.Find(root, ["camvid", "CamVid"], split, $"{split}annot");
        var (images, maps, list) = (
            Path.Combine(folder, split),
            Path.Combine(folder, $"{split}annot"),
            Path.Combine(folder, $"{split}.txt")
        );
        var pairs = File.Exists(list) ? MapSet.Listed(list, images, maps) : MapSet.Match(images, maps);
        return set.Open(
            split,
            pairs,
            folder,
            split switch
            {
                "train" => 367,
                "val" => 101,
                _ => 233,
            }
        );
    }
}
