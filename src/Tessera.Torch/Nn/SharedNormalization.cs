namespace Tessera.Nn;

/// <summary>Normalises a batch by the statistics of the samples of all processes that train together.</summary>
/// <param name="input">[B, C, ...].</param>
/// <param name="weight">The scale [C], or null.</param>
/// <param name="bias">The shift [C], or null.</param>
/// <param name="eps">Added to the variance.</param>
/// <returns>Null when this pass uses the statistics of its own batch.</returns>
internal delegate NormalizedBatch? SharedNormalization(Tensor input, Tensor? weight, Tensor? bias, double eps);

/// <summary>A normalised batch and the statistics behind it.</summary>
/// <param name="Output">[B, C, ...].</param>
/// <param name="Mean">[C].</param>
/// <param name="Variance">[C], biased.</param>
/// <param name="Count">Number of values of a channel.</param>
internal sealed record NormalizedBatch(Tensor Output, Tensor Mean, Tensor Variance, double Count);
