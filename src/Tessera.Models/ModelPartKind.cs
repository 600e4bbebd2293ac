namespace Tessera.Models;

/// <summary>A head or a generator that recipes may name.</summary>
/// <param name="Name">As recipes write it: small letters, digits and underscores.</param>
/// <param name="Type">The record of its options; the parameters of its constructor are the fields.</param>
/// <param name="Paper">Title, year and arXiv id; empty for none.</param>
public abstract record ModelPartKind(string Name, Type Type, string Paper);
