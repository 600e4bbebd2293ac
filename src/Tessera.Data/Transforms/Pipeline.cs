namespace Tessera.Data.Transforms;

/// <summary>
/// Steps of images between data set and model. Transforms of images run first, in the order given, then the image is normalised, then come
/// transforms of normalised images and at last transforms of batches, wherever they stand in the list.
/// </summary>
public sealed class Pipeline
{
    /// <summary>A pipeline that makes one view of every image.</summary>
    /// <param name="transforms">In the order of the recipe.</param>
    /// <param name="normalization">Instead of the data set's own.</param>
    /// <exception cref="DataException">Batch transforms that exclude each other.</exception>
    public Pipeline(IEnumerable<Transform> transforms, Normalization? normalization = null)
    {
        Views =
        [
            [.. transforms],
        ];
        Normalization = normalization;
        Mixing = Mixing.Of([.. Transforms.OfType<BatchTransform>()]);
        LabelScale = Only<LabelScale>(Transforms)?.Factor ?? 1;
        if (
            Only<PadBatch>(Transforms) is { } padding
            && Transforms.OfType<BatchTransform>().FirstOrDefault(step => step is not LabelSmoothing) is { } mixing
        )
            throw new DataException(
                $"augment: {TransformRegistry.NameOf(mixing)} mixes images of one size, and {TransformRegistry.NameOf(padding)} is for "
                    + "images of different sizes: leave one of them out"
            );
    }

    /// <summary>A pipeline that makes several views of every image, each in its own way.</summary>
    /// <param name="views">The transforms of each view.</param>
    /// <param name="normalization">Instead of the data set's own.</param>
    /// <param name="shrinkOnLoad">See <see cref="ShrinkOnLoad"/>.</param>
    /// <exception cref="DataException">There is no view, or a batch transform stands beside several views.</exception>
    public static Pipeline OfViews(
        IReadOnlyList<IReadOnlyList<Transform>> views,
        Normalization? normalization = null,
        bool shrinkOnLoad = false
    )
    {
        if (views.Count == 0)
            throw new DataException("augment: there must be at least one view");
        if (views.Count > 1 && views.SelectMany(view => view).OfType<BatchTransform>().FirstOrDefault() is { } mixing)
            throw new DataException(
                $"augment: {TransformRegistry.NameOf(mixing)} works on batches with one view, and there are {views.Count} views"
            );
        if (views.Skip(1).SelectMany(view => view).OfType<LabelScale>().Any())
            throw new DataException("augment: label_scale must be in the first view, which targets follow");
        return new(views[0], normalization) { Views = views, ShrinkOnLoad = shrinkOnLoad };
    }

    private static T? Only<T>(IEnumerable<Transform> transforms)
        where T : Transform =>
        transforms.OfType<T>().ToArray() switch
        {
            [] => null,
            [var only] => only,
            [var first, ..] => throw new DataException($"augment: {TransformRegistry.NameOf(first)} is there twice"),
        };

    /// <summary>Nothing but normalisation.</summary>
    public static Pipeline Plain { get; } = new([]);

    /// <summary>The transforms of each view, as given.</summary>
    public IReadOnlyList<IReadOnlyList<Transform>> Views { get; private init; }

    /// <summary>The transforms of the first view.</summary>
    public IReadOnlyList<Transform> Transforms => Views[0];

    /// <summary>Used instead of the data set's own; null for that.</summary>
    public Normalization? Normalization { get; }

    /// <summary>
    /// Whether JPEG files of which a part several times larger than wanted is taken (<see cref="RandomResizedCrop"/> as the first
    /// transform) are shrunk as they are decoded: faster, and close to decoding them whole. The random draws are the same.
    /// </summary>
    public bool ShrinkOnLoad { get; init; }

    /// <summary>How many times smaller than the images label maps are.</summary>
    public int LabelScale { get; }

    /// <summary>The batch transforms together; null for none.</summary>
    public Mixing? Mixing { get; }
}
