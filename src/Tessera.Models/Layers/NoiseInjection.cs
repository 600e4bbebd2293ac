using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Adds noise to a map [B, C, H, W], the same to all channels, times a learned weight that begins with 0 (Karras et al., 2019,
/// arXiv:1812.04948, section 2).
/// </summary>
internal sealed partial class NoiseInjection : Layer
{
    private readonly Parameter weight = Init.Zeros(new Parameter(1));

    // Drawn outside of training too, as the published models do.
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        var noise = Torch.Randn([input.Size(0), 1, input.Size(2), input.Size(3)], DType.Float32, device: input.Device);
        return input + weight * noise.To(input.DType);
    }
}
