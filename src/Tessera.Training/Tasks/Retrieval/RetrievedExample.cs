namespace Tessera.Training.Tasks.Retrieval;

/// <summary>A query with the items that were found first, for pictures.</summary>
/// <param name="Query">Position of the query in the data set.</param>
/// <param name="Score">Its figure between 0 and 1: whether the first item is right, or its average precision.</param>
/// <param name="Found">The items, the most similar first.</param>
public sealed record RetrievedExample(int Query, double Score, IReadOnlyList<RetrievedItem> Found);

/// <summary>An item that was found for a query.</summary>
/// <param name="Sample">Its position in the data set.</param>
/// <param name="Similarity">Cosine of the angle between both descriptors.</param>
/// <param name="Role">What it is to the query.</param>
public sealed record RetrievedItem(int Sample, double Similarity, ItemRole Role);
