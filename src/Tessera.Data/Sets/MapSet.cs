using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>A published set of images with label maps: what all of its splits have in common.</summary>
/// <param name="Name">In the registry.</param>
/// <param name="Classes">Name per class.</param>
/// <param name="Rule">What values of the maps mean.</param>
/// <param name="Palette">Colour per class.</param>
internal sealed record MapSet(string Name, IReadOnlyList<string> Classes, LabelRule Rule, IReadOnlyList<(byte R, byte G, byte B)> Palette)
{
    /// <summary>Pairs of classes that a horizontal flip exchanges.</summary>
    internal IReadOnlyList<(int, int)> FlipPairs { get; init; } = [];

    /// <summary>Splits whose labels nobody has but the authors.</summary>
    /// <param name="why">What is there, and what to do instead.</param>
    internal static IReadOnlyDictionary<string, string> Test(string why) => new Dictionary<string, string> { ["test"] = why };

    /// <summary>The first folder that holds others: the one that was asked for, or a folder of the set's name in it.</summary>
    /// <param name="root">The folder that was asked for; else the cache.</param>
    /// <param name="names">Names of the set's own folder.</param>
    /// <param name="markers">Folders or files that must be there, by relative paths.</param>
    /// <exception cref="DataException">None does.</exception>
    internal string Find(string? root, IReadOnlyList<string> names, params IReadOnlyList<string> markers)
    {
        var start = root ?? Datasets.Cache;
        string[] candidates = [.. root is null ? [] : (string[])[start], .. names.Select(name => Path.Combine(start, name))];
        return candidates.FirstOrDefault(candidate => markers.All(marker => Path.Exists(Path.Combine(candidate, marker))))
            ?? throw new DataException(
                $"{Name}: no {string.Join(" with ", markers)} in {string.Join(" or ", candidates)}: let data.root name the folder "
                    + "that holds "
                    + string.Join(" and ", markers.Select(marker => marker.Split('/')[0]).Distinct())
            );
    }

    /// <summary>Pairs the images and the maps in two folders, at any depth, by what their paths have in common.</summary>
    /// <param name="images">Folder of the images.</param>
    /// <param name="maps">Folder of the maps.</param>
    /// <param name="imageEnd">End of the names of images, without the ending of the file.</param>
    /// <param name="mapEnd">End of the names of maps.</param>
    /// <param name="skippedEnd">End of the names of maps that are left alone.</param>
    /// <param name="stop">Ends the search.</param>
    internal static MapPairs Match(
        string images,
        string maps,
        string imageEnd = "",
        string mapEnd = "",
        string? skippedEnd = null,
        CancellationToken stop = default
    )
    {
        var found = new FolderScan(images, stop: stop);
        var theirs = new FolderScan(maps, [".png"], stop);
        var keys = Keys(maps, theirs.All(), mapEnd);
        if (skippedEnd is not null)
            keys = [.. keys.Where(file => !file.Key.EndsWith(skippedEnd, StringComparison.Ordinal))];
        var pairs = MapPairs.Match(Keys(images, found.All(), imageEnd), keys);
        return pairs with { Remarks = [.. pairs.Remarks, .. found.Remarks, .. theirs.Remarks] };
    }

    private static (string Key, string Path)[] Keys(string folder, IEnumerable<string> files, string end) =>
        [
            .. files
                .Select(path => (Key: MapPairs.StemBelow(folder, path), Path: path))
                .Where(file => file.Key.EndsWith(end, StringComparison.Ordinal))
                .Select(file => (file.Key[..^end.Length], file.Path)),
        ];

    /// <summary>Pairs the images and the maps that a list names, a name a line, or an image and a map.</summary>
    /// <param name="list">The file: names, with or without folders and endings.</param>
    /// <param name="images">Folder of the images.</param>
    /// <param name="maps">Folders of the maps: the first that has one.</param>
    /// <exception cref="DataException">A file that is named is missing.</exception>
    internal static MapPairs Listed(string list, string images, params IReadOnlyList<string> maps) => Listed(list, images, maps, ".png");

    /// <inheritdoc cref="Listed(string, string, IReadOnlyList{string})"/>
    /// <param name="list">The file: names, with or without folders and endings.</param>
    /// <param name="images">Folder of the images.</param>
    /// <param name="maps">Folders of the maps: the first that has one.</param>
    /// <param name="ending">Of the files of maps.</param>
    internal static MapPairs Listed(string list, string images, IReadOnlyList<string> maps, string ending)
    {
        var (names, pairs) = (Names(list), new List<(string, string)>());
        var own = MapPairs.ByKey(FolderScan.Files(images).Select(path => (Path.GetFileNameWithoutExtension(path), path)));
        foreach (var name in names)
            pairs.Add(
                (
                    own.GetValueOrDefault(name)
                        ?? throw new DataFormatException(
                            list,
                            null,
                            $"'{name}' is named, and there is no image {Path.Combine(images, name)}"
                        ),
                    maps.Select(folder => Path.Combine(folder, name + ending)).FirstOrDefault(File.Exists)
                        ?? throw new DataFormatException(
                            list,
                            null,
                            $"'{name}' is named, and there is no label map {Path.Combine(maps[0], name)}{ending}"
                        )
                )
            );
        return new(pairs, []);
    }

    /// <summary>The names of a list, without folders and endings.</summary>
    /// <exception cref="DataException">A line that is no name, or names two different samples; a name that comes twice.</exception>
    internal static IReadOnlyList<string> Names(string list)
    {
        var names = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (number, line) in DataFiles.Lines(list).Index())
        {
            string[] parts =
            [
                .. line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)
                    .Select(part => Path.GetFileNameWithoutExtension(part)),
            ];
            if (parts.Length > 2 || parts.Distinct().Count() != 1)
                throw new DataFormatException(
                    list,
                    null,
                    $"line {number + 1} is '{line.Trim()}': it must be the name of an image, or an image and its label map"
                );
            if (!seen.Add(parts[0]))
                throw new DataFormatException(list, null, $"line {number + 1}: '{parts[0]}' comes a second time");
            names.Add(parts[0]);
        }
        return names;
    }

    /// <summary>The data set of a split.</summary>
    /// <param name="split">Its name.</param>
    /// <param name="found">Its files.</param>
    /// <param name="where">Its folder, for the message that there are none.</param>
    /// <param name="published">How many samples its authors published.</param>
    /// <exception cref="DataException">There are no samples.</exception>
    internal FileImages Open(string split, MapPairs found, string where, int published)
    {
        if (found.Pairs.Count == 0)
            throw new DataException(
                $"{Name} ({split}): {where} holds no image with a label map{(found.Remarks is [var first, ..] ? $" ({first})" : "")}"
            );
        var maps = new LabelMaps(Classes, [.. found.Pairs.Select(pair => pair.Map)], Rule, LabelFile.Read)
        {
            Palette = Palette,
            FlipPairs = FlipPairs,
        };
        return new(Name, split, [.. found.Pairs.Select(pair => pair.Image)], maps)
        {
            // Maps lie on the pixels as the files have them.
            Orient = false,
            Remarks =
            [
                .. found.Pairs.Count == published
                    ? []
                    : (string[])[$"the split was published with {published} images, and here are {found.Pairs.Count}"],
                .. found.Remarks,
            ],
        };
    }
}
