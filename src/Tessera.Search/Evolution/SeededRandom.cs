using Tessera.Data;

namespace Tessera.Search.Evolution;

/// <summary>
/// Random numbers of a seed and a purpose that are the same in every version of .NET, on every machine and for everyone who asks:
/// <see cref="SampleRandom"/> behind the members of <see cref="Random"/>.
/// </summary>
public sealed class SeededRandom : Random
{
    private SampleRandom source;

    /// <summary>The numbers of a seed for a purpose.</summary>
    /// <param name="seed">Of the search.</param>
    /// <param name="first">What they are for, as the number of a generation.</param>
    /// <param name="second">What they are for within that.</param>
    public SeededRandom(ulong seed, long first = 0, long second = 0) => source = new(seed, first, second, stream: 1 << 24);

    /// <inheritdoc/>
    public override double NextDouble() => source.NextDouble();

    /// <inheritdoc/>
    protected override double Sample() => source.NextDouble();

    /// <inheritdoc/>
    public override int Next() => source.Below(int.MaxValue);

    /// <inheritdoc/>
    public override int Next(int maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxValue);
        return maxValue == 0 ? 0 : source.Below(maxValue);
    }

    /// <inheritdoc/>
    public override int Next(int minValue, int maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minValue, maxValue);
        return minValue == maxValue ? minValue : minValue + source.Below(maxValue - minValue);
    }
}
