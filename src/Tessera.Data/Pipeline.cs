namespace Tessera.Data;

/// <summary>
/// What happens to images between data set and model. Whatever the order of the list, image transforms run first, in the order
/// given, then the image is normalised, then come the transforms of normalised images and at last those of batches.
/// </summary>
public sealed class Pipeline
{
    /// <summary>A pipeline of the given transforms.</summary>
    /// <param name="transforms">In the order of the recipe.</param>
    /// <param name="normalization">Instead of the data set's own.</param>
    public Pipeline(IEnumerable<Transform> transforms, Normalization? normalization = null)
    {
        Transforms = [.. transforms];
        Normalization = normalization;
        Mixing = Mixing.Of([.. Transforms.OfType<BatchTransform>()]);
    }

    /// <summary>Nothing but normalisation.</summary>
    public static Pipeline Plain { get; } = new([]);

    /// <summary>The transforms, as given.</summary>
    public IReadOnlyList<Transform> Transforms { get; }

    /// <summary>Used instead of the data set's own; null for that.</summary>
    public Normalization? Normalization { get; }

    /// <summary>
    /// Whether JPEG files of which a part several times larger than wanted is taken (<see cref="RandomResizedCrop"/> as the first transform) are
    /// shrunk as they are decoded: faster, and close to what decoding them whole gives. What is drawn at random is the same.
    /// </summary>
    public bool ShrinkOnLoad { get; init; }

    internal ImageTransform[] ImageTransforms => [.. Transforms.OfType<ImageTransform>()];

    internal FloatTransform[] FloatTransforms => [.. Transforms.OfType<FloatTransform>()];

    /// <summary>What the batch transforms come to; null for none.</summary>
    public Mixing? Mixing { get; }
}
