namespace Tessera.Data.Sets;

/// <summary>Images with the label maps that belong to them, and what was left out.</summary>
/// <param name="Pairs">The files of each sample.</param>
/// <param name="Remarks">Files without a counterpart, in a line each.</param>
internal sealed record MapPairs(IReadOnlyList<(string Image, string Map)> Pairs, IReadOnlyList<string> Remarks)
{
    private const int MostNamed = 3;

    /// <summary>Pairs files whose keys are equal, in the order of the images; the others are left out and said.</summary>
    /// <param name="images">Files of images with their keys.</param>
    /// <param name="maps">Files of label maps with their keys.</param>
    /// <exception cref="DataException">Two files of a kind have the same key.</exception>
    internal static MapPairs Match(IReadOnlyList<(string Key, string Path)> images, IReadOnlyList<(string Key, string Path)> maps)
    {
        var (own, theirs) = (ByKey(images), ByKey(maps));
        return new(
            [.. images.Where(image => theirs.ContainsKey(image.Key)).Select(image => (image.Path, theirs[image.Key]))],
            [
                .. LeftOut(
                    images.Where(image => !theirs.ContainsKey(image.Key)),
                    "image has no label map and was",
                    "images have no label map and were"
                ),
                .. LeftOut(
                    maps.Where(map => !own.ContainsKey(map.Key)),
                    "label map has no image and was",
                    "label maps have no image and were"
                ),
            ]
        );
    }

    /// <summary>Files by their keys.</summary>
    /// <exception cref="DataException">Two files have the same key.</exception>
    internal static Dictionary<string, string> ByKey(IEnumerable<(string Key, string Path)> files)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, path) in files)
            if (!found.TryAdd(key, path))
                throw new DataException($"{found[key]} and {path} differ in their endings alone: one of them must go");
        return found;
    }

    /// <summary>The path of a file below a folder, without its ending.</summary>
    internal static string StemBelow(string folder, string path) => Path.ChangeExtension(Path.GetRelativePath(folder, path), null);

    private static IEnumerable<string> LeftOut(IEnumerable<(string Key, string Path)> files, string one, string several)
    {
        var names = files.Select(file => file.Path).ToArray();
        if (names.Length > 0)
            yield return $"{names.Length} {(names.Length == 1 ? one : several)} left out: {string.Join(", ", names.Take(MostNamed))}"
                + (names.Length > MostNamed ? ", ..." : "");
    }
}
