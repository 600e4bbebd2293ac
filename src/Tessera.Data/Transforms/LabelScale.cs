namespace Tessera.Data.Transforms;

/// <summary>
/// Label maps that are smaller than the images, as methods want them whose networks give scores at a stride: a map of ceil(H / factor) by
/// ceil(W / factor), wherever the step stands in the list. Each pixel takes the class under its centre in the original, as Pillow's nearest
/// resize does (PyTorch calls it <c>nearest-exact</c>; its <c>nearest</c> takes the upper left pixel instead).
/// </summary>
/// <param name="Factor">How many times smaller, at least 1.</param>
public sealed record LabelScale(int Factor = 4) : Transform
{
    /// <summary>How many times smaller.</summary>
    public int Factor { get; init; } = AtLeastOne(Factor, "label_scale", "factor");

    /// <inheritdoc/>
    public override string? Obstacle(Annotations annotations) =>
        // Images that are only predicted have no maps, and are prepared as those that were measured.
        annotations is Unlabelled
            ? null
            : NeedLabelMaps(annotations, "to make smaller");
}
