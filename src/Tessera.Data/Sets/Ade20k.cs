using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>ADE20K's benchmark of scene parsing (Zhou et al., 2017): 150 classes, which count from 1; 0 is everything else.</summary>
internal static class Ade20k
{
    private const string Folder = "ADEChallengeData2016";

    internal static LabelRule Rule { get; } = LabelRule.FromOne(LabelTables.Ade20k.Count);

    private static readonly MapSet set = new("ade20k", LabelTables.Ade20k, Rule, LabelTables.Tuples(LabelTables.Ade20kPalette));

    internal static DatasetKind Kind { get; } =
        new(set.Name, "ADE20K: 22,210 photographs of scenes with label maps, 150 classes", ["train", "val"], Folder, (split, root) =>
            Open(split, root)
        )
        {
            OpenStoppable = Open,
            Withheld = MapSet.Test("the labels of its images are not published; measure on val"),
        };

    private static FileImages Open(string split, string? root, CancellationToken stop = default)
    {
        var part = split == "train" ? "training" : "validation";
        var folder = set.Find(root, [Folder, "ade20k", $"ade/{Folder}"], $"images/{part}", $"annotations/{part}");
        var pairs = MapSet.Match(Path.Combine(folder, "images", part), Path.Combine(folder, "annotations", part), stop: stop);
        return set.Open(split, pairs, folder, split == "train" ? 20_210 : 2_000);
    }
}
