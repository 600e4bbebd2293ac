using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// The network that makes styles of random vectors: vectors brought to length sqrt(width), then linear maps that learn a hundred times
/// slower than the rest (Karras et al., 2019, arXiv:1812.04948, section 2 and appendix C).
/// </summary>
internal static class StyleMapping
{
    /// <summary>[B, width] to [B, width]. The maps are named 1, 2, ...</summary>
    /// <param name="width">Width of the vectors.</param>
    /// <param name="layers">Number of maps.</param>
    internal static Sequential Create(int width, int layers) =>
        new([new UnitVariance(), .. Enumerable.Range(0, layers).Select(_ => new EqualLinear(width, width, rate: 0.01, activated: true))]);

    private sealed class UnitVariance : Layer
    {
        protected override Tensor Forward(Tensor input) =>
            FullPrecision.Of(input, x => x * (x.Square().Mean([1], true) + 1e-8).Rsqrt()).To(input.DType);
    }
}
