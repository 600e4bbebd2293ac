using System.Globalization;

namespace Tessera.Search.Costs;

/// <summary>
/// A part of networks by the numbers that its time depends on: the times of a network's parts add up to that of the network. Parts with
/// equal kind and sizes are the same part.
/// </summary>
/// <param name="Kind">Name of what it is, such as <c>block</c>; parts of one kind have the same sizes and the same work by name.</param>
/// <param name="Sizes">Numbers by name, each above 0; times are interpolated between them.</param>
/// <param name="Work">
/// What it does by name, each from 0: multiply-accumulates, elements that are read and written, weights. Times of parts that nobody has
/// measured begin with a sum of these.
/// </param>
public sealed record BlockShape(string Kind, IReadOnlyDictionary<string, double> Sizes, IReadOnlyDictionary<string, double> Work)
{
    /// <summary>How often the network by which a part is measured holds it.</summary>
    public const int Copies = 4;

    /// <summary>
    /// Whether it stands for all that is left of a network without its other parts, such as the first layers with the classifier; such a
    /// part is measured as a network, the others by what they add to one.
    /// </summary>
    public bool Surrounds { get; init; }

    /// <summary>Kind and sizes: <c>block tokens=64 dim=96</c>.</summary>
    public override string ToString() =>
        $"{Kind}{string.Concat(Sizes.Select(size => string.Create(CultureInfo.InvariantCulture, $" {size.Key}={size.Value}")))}";

    /// <inheritdoc/>
    public bool Equals(BlockShape? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);
}
