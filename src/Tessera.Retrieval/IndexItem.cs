namespace Tessera.Retrieval;

/// <summary>What an index keeps beside a vector.</summary>
/// <param name="Id">Number that the index gave; it belongs to this item for as long as the index lives, and to no other one ever.</param>
/// <param name="Name">Name, for example the path of a picture; names may repeat.</param>
/// <param name="Metadata">Fields that a filter can ask for.</param>
public sealed record IndexItem(long Id, string Name, IReadOnlyDictionary<string, string> Metadata);
