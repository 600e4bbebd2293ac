namespace Tessera.Data.Sets;

/// <summary>Which mask of one's own belongs to which image: that of the same name, but for the ending and a usual suffix.</summary>
internal static class MaskPairs
{
    private static readonly string[] maskEnds =
        ["_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "_annotation", "_annotations", "_L", "-mask", "-label"],
        imageEnds = ["", "_image", "_img", "_rgb", "_sat", "-image"];

    /// <summary>The samples of a split.</summary>
    /// <param name="name">Of the data set, in messages.</param>
    /// <param name="folder">The split.</param>
    /// <param name="stop">Ends the search.</param>
    /// <exception cref="DataException">There are none, or a list names what is not there.</exception>
    internal static MapPairs Of(string name, MaskFolder folder, CancellationToken stop)
    {
        var (ours, theirs) = (new FolderScan(folder.Images, stop: stop), new FolderScan(folder.Masks, stop: stop));
        var images = Keys(folder.Images, ours.All());
        var masks = Keys(folder.Masks, theirs.All());
        foreach (var (path, count) in ((string, int)[])[(folder.Images, images.Length), (folder.Masks, masks.Length)])
            if (count == 0)
                throw new DataException($"{name}: {path} holds no image ({string.Join(", ", Imaging.ImageDecoder.Extensions)})");
        var (imageEnd, maskEnd) = Ends(images, masks);
        images = Without(images, imageEnd);
        masks = Without(masks, maskEnd);
        var pairs = MapPairs.Match(images, masks);
        if (pairs.Pairs.Count == 0)
            throw new DataException(
                $"{name}: no mask in {folder.Masks} is called like an image in {folder.Images}: {images[0].Path} needs a mask "
                    + $"{Path.Combine(folder.Masks, images[0].Key)}.png, and there is {masks[0].Path}"
            );
        string[] said = maskEnd.Length == 0 ? [] : [$"masks go by the names of the images with {maskEnd}"];
        if (imageEnd.Length > 0)
            said = [$"masks go by the names of the images with {maskEnd} instead of {imageEnd}"];
        if (folder.List is { } list)
            pairs = new(Listed(list, folder, images, masks, pairs), []);
        return pairs with { Remarks = [.. said, .. pairs.Remarks, .. ours.Remarks, .. theirs.Remarks] };
    }

    private static (string Key, string Path)[] Keys(string folder, IEnumerable<string> files) =>
        [.. files.Select(path => (MapPairs.StemBelow(folder, path), path))];

    private static (string Key, string Path)[] Without((string Key, string Path)[] files, string end) =>
        end.Length == 0
            ? files
            : [.. files.Select(file => (file.Key.EndsWith(end, StringComparison.Ordinal) ? file.Key[..^end.Length] : file.Key, file.Path))];

    // Suffixes are taken away where names as they are do not pair all masks, and names without a suffix do.
    private static (string OfImages, string OfMasks) Ends((string Key, string Path)[] images, (string Key, string Path)[] masks)
    {
        var plain = images.Select(image => image.Key).ToHashSet(StringComparer.Ordinal);
        if (masks.All(mask => plain.Contains(mask.Key)))
            return ("", "");
        foreach (var imageEnd in imageEnds)
        {
            var keys = images
                .Where(image => image.Key.EndsWith(imageEnd, StringComparison.Ordinal))
                .Select(image => image.Key[..^imageEnd.Length])
                .ToHashSet(StringComparer.Ordinal);
            foreach (var end in maskEnds)
                if (masks.All(mask => mask.Key.EndsWith(end, StringComparison.Ordinal) && keys.Contains(mask.Key[..^end.Length])))
                    return (imageEnd, end);
        }
        return ("", "");
    }

    // In the order of the list.
    private static List<(string, string)> Listed(
        string list,
        MaskFolder folder,
        (string Key, string Path)[] images,
        (string Key, string Path)[] masks,
        MapPairs pairs
    )
    {
        var (ours, theirs) = (new NameIndex(folder.Images, images), new NameIndex(folder.Masks, masks));
        var maskOf = pairs.Pairs.ToDictionary(pair => pair.Image, pair => pair.Map);
        var found = new List<(string, string)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (number, text) in File.ReadLines(list).Index())
        {
            var line = text.Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            var (image, mask) = Sample(line);
            if (image is null)
                throw Wrong(number, $"'{line}' is no image of {folder.Images}");
            mask ??= maskOf.GetValueOrDefault(image) ?? throw Wrong(number, $"the image {image} has no mask in {folder.Masks}");
            if (!seen.Add(image))
                throw Wrong(number, $"'{line}' comes a second time");
            found.Add((image, mask));
        }
        return found.Count > 0 ? found : throw new DataFormatException(list, null, "the list names no image");

        DataFormatException Wrong(int number, string problem) => new(list, null, $"line {number + 1}: {problem}");

        // A name, or an image and a mask with something between them; names may hold spaces.
        (string? Image, string? Mask) Sample(string line)
        {
            if (ours.Find(line) is { } alone)
                return (alone, null);
            for (var i = 0; i < line.Length; i++)
                if (
                    line[i] is ' ' or '\t' or ','
                    && ours.Find(line[..i].Trim()) is { } image
                    && theirs.Find(line[(i + 1)..].Trim()) is { } mask
                )
                    return (image, mask);
            return (null, null);
        }
    }

    /// <summary>Files of a folder by the names that lists give them: below the folder or with it, with or without ending.</summary>
    private sealed class NameIndex
    {
        private readonly Dictionary<string, string> names = new(StringComparer.Ordinal);
        private readonly string front;

        internal NameIndex(string folder, (string Key, string Path)[] files)
        {
            front = Path.GetFileName(folder) + "/";
            foreach (var (key, path) in files)
            {
                names.TryAdd(key, path);
                names.TryAdd(MapPairs.StemBelow(folder, path), path);
                names.TryAdd(Path.GetRelativePath(folder, path), path);
            }
        }

        internal string? Find(string name)
        {
            name = name.Replace('\\', '/');
            if (name.StartsWith("./", StringComparison.Ordinal))
                name = name[2..];
            if (names.TryGetValue(name, out var path))
                return path;
            var place = $"/{name}".LastIndexOf($"/{front}", StringComparison.Ordinal);
            return place >= 0 ? names.GetValueOrDefault(name[(place + front.Length)..]) : null;
        }
    }
}
