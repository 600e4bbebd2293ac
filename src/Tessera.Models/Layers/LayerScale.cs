using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Multiplies every channel by a learned factor (Touvron et al., 2021, arXiv:2103.17239, section 2).</summary>
public sealed partial class LayerScale : Layer
{
    private readonly Parameter gamma; // [D]

    /// <summary>Factors that start at <paramref name="init"/>.</summary>
    public LayerScale(int dim, double init) => gamma = Init.Constant(new Parameter(dim), init);

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input * gamma;
}
