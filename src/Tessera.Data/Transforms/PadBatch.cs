namespace Tessera.Data.Transforms;

/// <summary>
/// Images of different sizes in one batch: once normalized, they are padded below and to the right to the largest of the batch, with
/// 0, and label maps are ignored there. <see cref="BatchView.Sizes"/> has the sizes before. Without this step, such a batch is refused.
/// </summary>
/// <param name="Multiple">The sides of the batch become multiples of it.</param>
public sealed record PadBatch(int Multiple = 1) : Transform
{
    /// <summary>The sides of the batch become multiples of it.</summary>
    public int Multiple { get; init; } = AtLeastOne(Multiple, "pad_batch", "multiple");

    /// <inheritdoc/>
    public override string? Obstacle(Annotations annotations) =>
        annotations.FollowsView || annotations is Unlabelled
            ? null
            : "pads images of different sizes, and only label maps and boxes say where the padding is: bring images to one size by a "
                + "resize or a crop";
}
