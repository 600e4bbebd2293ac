namespace Tessera.Retrieval;

/// <summary>An item that a search found.</summary>
/// <param name="Item">The item.</param>
/// <param name="Similarity">Inner product of its vector with the query, in [-1, 1].</param>
public sealed record Neighbor(IndexItem Item, float Similarity);
