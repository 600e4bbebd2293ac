using System.Globalization;
using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>An image with its objects.</summary>
/// <param name="File">Path of the image.</param>
/// <param name="Objects">Objects in it.</param>
/// <param name="Size">As the annotations state it; null where they do not.</param>
/// <param name="Id">Number in the source; null where it has none.</param>
internal sealed record DetectionImage(string File, IReadOnlyList<ImageObject> Objects, ImageSize? Size = null, long? Id = null);

/// <summary>A split of images with boxes, put together.</summary>
/// <param name="Name">Of the data set.</param>
/// <param name="Split">Its part.</param>
/// <param name="Classes">Name per class.</param>
/// <param name="Images">In the order of the samples.</param>
/// <param name="Faults">What was found in the annotations.</param>
internal sealed record DetectionSet(
    string Name,
    string Split,
    IReadOnlyList<string> Classes,
    IReadOnlyList<DetectionImage> Images,
    AnnotationFaults Faults
)
{
    /// <summary>Number of each class in the source; null where it has none.</summary>
    internal IReadOnlyList<long?>? CategoryIds { get; init; }

    /// <summary>Whether a camera's orientation mark is followed: published boxes lie on the pixels as the files have them.</summary>
    internal bool Orient { get; init; } = true;

    /// <summary>What is to be said before a training, in front of what was found.</summary>
    internal IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The data set.</summary>
    /// <param name="where">Its folder or file, for the message that there are no images.</param>
    /// <exception cref="DataException">There are no images, or no class.</exception>
    internal FileImages Open(string where)
    {
        if (Images.Count == 0)
            throw new DataException($"{Name} ({Split}): {where} holds no image with annotations");
        if (Classes.Count == 0)
            throw new DataException($"{Name} ({Split}): {where} names no class");
        var boxes = new ObjectBoxes(Classes, [.. Images.Select(image => image.Objects)], source: $"{Name} ({Split})")
        {
            ImageIds = Images.All(image => image.Id is not null) ? [.. Images.Select(image => image.Id!.Value)] : null,
            CategoryIds = CategoryIds,
            Sizes = Images.Any(image => image.Size is not null) ? [.. Images.Select(image => image.Size)] : null,
            Findings = Faults.Findings,
        };
        return new(Name, Split, [.. Images.Select(image => image.File)], boxes)
        {
            Orient = Orient,
            Remarks = [.. Remarks, .. Faults.Remarks, .. Empty()],
        };
    }

    private IEnumerable<string> Empty()
    {
        var empty = Images.Count(image => image.Objects.Count == 0);
        if (empty > 0)
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"{empty} of {Images.Count} images have no objects: they are kept, as images in which nothing is to be found"
            );
    }
}
