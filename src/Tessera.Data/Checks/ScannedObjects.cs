namespace Tessera.Data.Checks;

/// <summary>What is known of the masks of a sample, which are costly to look at.</summary>
/// <param name="Bounds">
/// Of each object with a mask, by its place among the objects: the box around its pixels; null without a pixel.
/// </param>
internal sealed record ScannedObjects(IReadOnlyDictionary<int, ObjectBox?> Bounds)
{
    internal static ScannedObjects Unknown { get; } = new(new Dictionary<int, ObjectBox?>());

    /// <summary>Looks at the masks of a sample.</summary>
    /// <param name="objects">Its objects.</param>
    internal static ScannedObjects Of(IReadOnlyList<ImageObject> objects) =>
        new(
            objects
                .Index()
                .Where(own => own.Item.Mask is not null)
                .ToDictionary(own => own.Index, own => own.Item.Mask!.Bounds is { Area: > 0 } bounds ? bounds : (ObjectBox?)null)
        );
}
