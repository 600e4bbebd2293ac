using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;

namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>Sizes of images by their names, from the headers of their files.</summary>
/// <param name="folder">Their folder; null where no size is known.</param>
internal sealed class ImageSizes(string? folder)
{
    private readonly Dictionary<string, string> files = folder is null ? [] : Listed(folder);

    /// <summary>Size of an image; null where the folder has none of this name.</summary>
    internal ImageSize? Of(string name)
    {
        if (!files.TryGetValue(name, out var path))
            return null;
        var (height, width) = ImageDecoder.Size(path);
        return new(height, width);
    }

    private static Dictionary<string, string> Listed(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DataException($"{folder}: there is no such folder of images");
        var files = new Dictionary<string, string>();
        foreach (var path in FolderScan.Files(folder))
            if (!files.TryAdd(ScoredTruth.Stem(path), path))
                throw new DataException($"{path} and {files[ScoredTruth.Stem(path)]} have one name: sizes cannot be told by it");
        return files;
    }
}
