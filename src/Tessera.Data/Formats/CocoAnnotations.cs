namespace Tessera.Data.Formats;

/// <summary>An image that a COCO file lists.</summary>
/// <param name="Id">Its number.</param>
/// <param name="File">Its file, relative to a folder.</param>
/// <param name="Size">As the file states it; null where it does not.</param>
/// <param name="Objects">What is in it, in the order of the file.</param>
internal sealed record CocoImage(long Id, string File, ImageSize? Size, List<ImageObject> Objects);

/// <summary>What a COCO file of instances says.</summary>
/// <param name="Images">By ascending number.</param>
/// <param name="Categories">By ascending number; the position is the class.</param>
internal sealed record CocoAnnotations(IReadOnlyList<CocoImage> Images, IReadOnlyList<(long Id, string Name)> Categories);
