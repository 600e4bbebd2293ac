namespace Tessera.Retrieval;

/// <summary>A reduction to fewer numbers: y = Rows (x - Mean), made a unit vector again. PCA gives one.</summary>
/// <param name="Mean">Mean of the descriptors that it was fitted on, [input width].</param>
/// <param name="Rows">One row per number that is left, [dimension x input width].</param>
public sealed record VectorProjection(ReadOnlyMemory<float> Mean, ReadOnlyMemory<float> Rows);
