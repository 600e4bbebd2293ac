using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>One of several lists of transforms, drawn for each image.</summary>
/// <param name="Of">The lists, of transforms of 8-bit images; an empty one leaves the image as it is.</param>
/// <param name="Weights">How often each is drawn, relative to the others; each as often when null.</param>
public sealed record RandomChoice(IReadOnlyList<IReadOnlyList<Transform>> Of, IReadOnlyList<double>? Weights = null) : ImageTransform
{
    /// <summary>The lists.</summary>
    public IReadOnlyList<IReadOnlyList<Transform>> Of { get; init; } = Checked(Of);

    /// <summary>How often each is drawn, relative to the others; each as often when null.</summary>
    public IReadOnlyList<double>? Weights { get; init; } = Checked(Weights, Of.Count);

    /// <inheritdoc/>
    public override string? TrackingObstacle() =>
        All.Select(transform => transform.TrackingObstacle() is { } problem ? $"{TransformRegistry.NameOf(transform)}: {problem}" : null)
            .FirstOrDefault(problem => problem is not null);

    /// <inheritdoc/>
    public override string? Obstacle(Annotations annotations) =>
        All.Select(transform =>
                transform.Obstacle(annotations) is { } problem ? $"has {TransformRegistry.NameOf(transform)}, which {problem}" : null
            )
            .FirstOrDefault(problem => problem is not null);

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random) => Apply(Draw(ref random), canvas, ref random);

    internal override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        var chosen = Draw(ref random);
        if (chosen is [ImageTransform first, ..])
        {
            first.Apply(canvas, file, channels, shrink, ref random);
            Apply(chosen.Skip(1), canvas, ref random);
        }
        else
        {
            file.Decode(canvas.Image, channels);
        }
    }

    private IEnumerable<Transform> All => Of.SelectMany(list => list);

    private static void Apply(IEnumerable<Transform> steps, Canvas canvas, ref SampleRandom random)
    {
        foreach (var step in steps)
            ((ImageTransform)step).Apply(canvas, ref random);
    }

    private IReadOnlyList<Transform> Draw(ref SampleRandom random)
    {
        if (Weights is null)
            return Of[random.Below(Of.Count)];
        var place = random.NextDouble() * Weights.Sum();
        for (var i = 0; i < Of.Count; i++)
            if (Weights[i] > 0 && (place -= Weights[i]) < 0)
                return Of[i];
        // The sum is rounded.
        return Of[Weights.Index().Last(weight => weight.Item > 0).Index];
    }

    private static IReadOnlyList<IReadOnlyList<Transform>> Checked(IReadOnlyList<IReadOnlyList<Transform>> lists)
    {
        if (lists.Count == 0)
            throw new DataException("random_choice: of is an empty list: it must have at least one list of transforms");
        return lists.SelectMany(list => list).FirstOrDefault(transform => transform is not ImageTransform) is { } other
            ? throw new DataException(
                $"random_choice: {TransformRegistry.NameOf(other)} works on normalized images or on batches: it must stand outside of "
                    + "the choice"
            )
            : lists;
    }

    private static IReadOnlyList<double>? Checked(IReadOnlyList<double>? weights, int lists)
    {
        if (weights is not null && weights.Count != lists)
            throw new DataException($"random_choice: {weights.Count} weights for {lists} lists: there must be one for each");
        return weights is null || (weights.All(weight => weight >= 0 && double.IsFinite(weight)) && weights.Sum() > 0)
            ? weights
            : throw new DataException(
                FormattableString.Invariant(
                    $"random_choice: weights of [{string.Join(", ", weights)}]: each must be at least 0, and one above it"
                )
            );
    }
}
