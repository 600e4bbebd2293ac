using Tessera.Data.Formats;

namespace Tessera.Data.Sets;

/// <summary>A data set whose split is a COCO file of instances and the images that it lists.</summary>
internal static class CocoFiles
{
    private const int MostNamed = 4;

    /// <summary>Opens a split.</summary>
    /// <param name="name">Of the data set.</param>
    /// <param name="split">Of the data set.</param>
    /// <param name="file">The COCO file.</param>
    /// <param name="folders">Where images may lie: the first that holds one is taken.</param>
    /// <param name="lenient">Whether problems are kept and listed.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="DataException">The file has a problem, or an image is missing.</exception>
    internal static DetectionSet Read(
        string name,
        string split,
        string file,
        IReadOnlyList<string> folders,
        bool lenient,
        CancellationToken stop
    )
    {
        var faults = new AnnotationFaults(lenient);
        var coco = CocoJson.Read(file, faults, stop);
        var images = new List<DetectionImage>(coco.Images.Count);
        var last = 0;
        foreach (var image in coco.Images)
        {
            stop.ThrowIfCancellationRequested();
            if (Find(image.File) is { } path)
                images.Add(new(path, image.Objects, image.Size, image.Id));
            else
                faults.Problem(
                    "images that are not there",
                    file,
                    null,
                    $"image {image.Id}",
                    $"there is no file {image.File} in {string.Join(", ", folders.Take(MostNamed))}"
                        + (folders.Count > MostNamed ? $" or {folders.Count - MostNamed} folders more" : "")
                );
        }
        return new(name, split, [.. coco.Categories.Select(category => category.Name)], images, faults)
        {
            CategoryIds = [.. coco.Categories.Select(category => (long?)category.Id)],
        };

        // Files name images by their path below a folder, or by one that they had on another machine, of which the last part stays.
        string? Find(string given)
        {
            var relative = given.Replace('\\', '/');
            var isForeign =
                relative.StartsWith('/')
                || relative.Contains(':', StringComparison.Ordinal)
                || relative.Contains("..", StringComparison.Ordinal);
            string[] forms = isForeign
                ? [relative[(relative.LastIndexOf('/') + 1)..]]
                : [relative, relative[(relative.LastIndexOf('/') + 1)..]];
            foreach (var form in forms.Distinct())
                // Most images lie where the one before lay.
                for (var i = 0; i < folders.Count; i++)
                {
                    var place = (last + i) % folders.Count;
                    if (Path.Combine(folders[place], form) is var path && File.Exists(path))
                    {
                        last = place;
                        return path;
                    }
                }
            return null;
        }
    }
}
