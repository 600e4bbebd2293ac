using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>
/// Cityscapes (Cordts et al., 2016) and ACDC (Sakaridis et al., 2021): streets, in 19 classes. Label maps hold ids, of which most stand for
/// no class, or the classes themselves.
/// </summary>
internal static class Cityscapes
{
    private static readonly CityscapesClass[] trained =
    [
        .. LabelTables.Cityscapes.Where(entry => entry.TrainId != LabelMap.Ignored).OrderBy(entry => entry.TrainId),
    ];
    private static readonly byte[] classOfId =
    [
        .. LabelTables.Cityscapes.Where(entry => entry.Id >= 0).OrderBy(entry => entry.Id).Select(entry => (byte)entry.TrainId),
    ];

    /// <summary>Of maps of ids; what is none, as the licence plate's, does not count.</summary>
    internal static LabelRule Ids { get; } = LabelRule.Of(id => id < classOfId.Length ? classOfId[id] : LabelMap.Ignored);

    private static LabelRule TrainIds { get; } = LabelRule.Plain(trained.Length);

    private static readonly string[] weathers = ["fog", "night", "rain", "snow"];

    internal static DatasetKind Streets { get; } =
        new(
            "cityscapes",
            "Cityscapes: 3,475 photographs of streets with label maps, 19 classes",
            ["train", "val"],
            "cityscapes",
            (split, root) => OpenStreets(split, root)
        )
        {
            OpenStoppable = OpenStreets,
            Withheld = MapSet.Test(
                "its label maps hold nothing but ignored pixels; measure on val, or send predictions to the authors' server"
            ),
        };

    internal static DatasetKind Acdc { get; } =
        new(
            "acdc",
            "ACDC: 2,006 photographs of streets in fog, rain, snow and at night with label maps, 19 classes",
            [.. ((string[])["train", "val"]).SelectMany(part => (string[])[part, .. weathers.Select(weather => $"{part}_{weather}")])],
            "acdc",
            (split, root) => OpenAcdc(split, root)
        )
        {
            OpenStoppable = OpenAcdc,
            Disjoint = ["train", "val"],
            Withheld = MapSet.Test(
                "the labels of its images are not published; measure on val, or send predictions to the authors' server"
            ),
        };

    private static MapSet Set(string name, LabelRule rule) =>
        new(name, [.. trained.Select(entry => entry.Name)], rule, LabelTables.Tuples([.. trained.Select(entry => entry.Color)]));

    private static FileImages OpenStreets(string split, string? root, CancellationToken stop = default)
    {
        var set = Set("cityscapes", Ids);
        var folder = set.Find(root, ["cityscapes"], $"leftImg8bit/{split}", $"gtFine/{split}");
        var (images, maps) = (Path.Combine(folder, "leftImg8bit", split), Path.Combine(folder, "gtFine", split));
        var (rule, pairs) = Either(end => MapSet.Match(images, maps, "_leftImg8bit", $"_gtFine_{end}", stop: stop));
        return (set with { Rule = rule }).Open(split, pairs, maps, split == "train" ? 2_975 : 500);
    }

    private static FileImages OpenAcdc(string split, string? root, CancellationToken stop = default)
    {
        var part = split.Split('_')[0];
        string[] wanted = split.Contains('_') ? [split.Split('_')[1]] : weathers;
        var set = Set("acdc", Ids);
        var folder = set.Find(
            root,
            ["acdc", "ACDC"],
            [.. wanted.SelectMany(weather => (string[])[$"rgb_anon/{weather}/{part}", $"gt/{weather}/{part}"])]
        );
        var (rule, pairs) = Either(end =>
        {
            MapPairs[] found =
            [
                .. wanted.Select(weather =>
                    MapSet.Match(
                        Path.Combine(folder, "rgb_anon", weather, part),
                        Path.Combine(folder, "gt", weather, part),
                        "_rgb_anon",
                        $"_gt_{end}",
                        stop: stop
                    )
                ),
            ];
            return new([.. found.SelectMany(one => one.Pairs)], [.. found.SelectMany(one => one.Remarks)]);
        });
        var published = part == "train" ? 400 * wanted.Length : wanted.Sum(weather => weather == "night" ? 106 : 100);
        return (set with { Rule = rule }).Open(split, pairs, Path.Combine(folder, "gt"), published);
    }

    // Maps of classes, which a program has made of the ids, unless they are fewer.
    private static (LabelRule Rule, MapPairs Pairs) Either(Func<string, MapPairs> match)
    {
        var (classes, ids) = (match("labelTrainIds"), match("labelIds"));
        return classes.Pairs.Count > 0 && classes.Pairs.Count >= ids.Pairs.Count ? (TrainIds, classes) : (Ids, ids);
    }
}
