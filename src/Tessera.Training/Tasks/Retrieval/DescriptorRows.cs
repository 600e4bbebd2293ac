using Tessera.Training.Probes;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>Descriptors of length 1 in memory, row by row.</summary>
/// <typeparam name="T">Their type.</typeparam>
/// <param name="Values">All of them.</param>
/// <param name="Width">Values of a row.</param>
internal sealed record DescriptorRows<T>(T[] Values, int Width)
    where T : unmanaged
{
    /// <summary>The rows of a tensor, brought to length 1.</summary>
    /// <param name="descriptors">[N, D].</param>
    /// <exception cref="ShapeException">They are no rows.</exception>
    internal static DescriptorRows<T> Of(Tensor descriptors)
    {
        if (descriptors.Dim != 2 || descriptors.Size(1) < 1)
            throw new ShapeException($"descriptors must be [N, D], not {descriptors.Shape}");
        using var scope = new Scope();
        return new(NearestNeighbors.Normalize(descriptors.Detach()).ToArray<T>(), (int)descriptors.Size(1));
    }

    /// <summary>Some of the rows, one behind the other; all of them without a copy.</summary>
    /// <param name="rows">Which, ascending.</param>
    internal T[] Some(IReadOnlyList<int> rows)
    {
        if (rows.Count * (long)Width == Values.LongLength)
            return Values;
        var some = new T[checked(rows.Count * Width)];
        foreach (var (place, row) in rows.Index())
            Values.AsSpan(row * Width, Width).CopyTo(some.AsSpan(place * Width));
        return some;
    }
}
