namespace Tessera.Training;

/// <summary>A loss with its named parts, all of them scalars; <see cref="Total"/> is what is differentiated.</summary>
/// <param name="Total">The sum that the model is trained with.</param>
public sealed record Loss(Tensor Total) : ITensorBag
{
    /// <summary>Parts for the log, by name.</summary>
    public IReadOnlyDictionary<string, Tensor> Parts { get; init; } = new Dictionary<string, Tensor>();

    /// <summary>Scores of the batch for the log, by name: the share of right answers, for instance.</summary>
    public IReadOnlyDictionary<string, Score> Scores { get; init; } = new Dictionary<string, Score>();

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Parts.Values.Prepend(Total);
}

/// <summary>A score as a fraction, so that scores of several batches add up.</summary>
/// <param name="Sum">Numerator: right answers.</param>
/// <param name="Weight">Denominator: answers.</param>
public readonly record struct Score(double Sum, double Weight)
{
    /// <summary>Both fractions together.</summary>
    public static Score operator +(Score left, Score right) => new(left.Sum + right.Sum, left.Weight + right.Weight);

    /// <summary>Both fractions together.</summary>
    public static Score Add(Score left, Score right) => left + right;
}
