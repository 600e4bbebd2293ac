namespace Tessera.Retrieval;

/// <summary>How an index is searched.</summary>
public sealed record SearchOptions
{
    /// <summary>Whether the graph that <see cref="VectorIndex.BuildApproximate"/> made is searched; false compares every vector.</summary>
    public bool Approximate { get; init; }

    /// <summary>Only items that match are found; null finds any.</summary>
    public IndexFilter? Where { get; init; }

    /// <summary>Threads that take part; 0 for <see cref="Torch.Threads"/>.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// How many candidates an approximate search keeps while it walks the graph, at least k: more find more of the nearest and take
    /// longer. 0 for <see cref="ApproximateOptions.Effort"/> of the graph.
    /// </summary>
    public int Effort { get; init; }
}
