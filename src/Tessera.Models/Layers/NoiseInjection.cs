using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Adds noise to a map [B, C, H, W], the same to all channels, times a learned weight that begins with 0 (Karras et al., 2019,
/// arXiv:1812.04948, section 2).
/// </summary>
internal sealed partial class NoiseInjection : Layer
{
    private readonly Parameter weight = Init.Zeros(new Parameter(1));

    /// <summary>A number that the noise is drawn from, the same for every sample and call; null draws it anew from the engine's generator.</summary>
    internal ulong? Fixed { get; set; }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input + weight * Noise(input).To(input.DType);

    private Tensor Noise(Tensor map)
    {
        if (Fixed is not { } seed)
            return Torch.Randn([map.Size(0), 1, map.Size(2), map.Size(3)], DType.Float32, device: map.Device);
        using var generator = new Generator(seed);
        return Torch.Randn([1, 1, map.Size(2), map.Size(3)], generator, DType.Float32).To(map.Device);
    }
}
