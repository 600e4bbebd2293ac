namespace Tessera.Models.Layers;

/// <summary>
/// The filter [1, 3, 3, 1] along both sides of a map [B, C, H, W], which keeps changes of resolution free of aliases (Karras et al., 2020,
/// arXiv:1912.04958, appendix B; Zhang, 2019, arXiv:1904.11486).
/// </summary>
internal sealed partial class LowPass : Layer
{
    private readonly ModuleBuffer kernel; // [4, 4]
    private readonly int padding;
    private readonly bool doubles;

    private LowPass(double gain, int padding, bool doubles)
    {
        (this.padding, this.doubles) = (padding, doubles);
        kernel = new(
            Torch.Scope(() =>
            {
                var side = Tensor.From([1f, 3f, 3f, 1f]) / 8;
                return side.Unsqueeze(1) * side * gain;
            }),
            constant: true
        );
    }

    /// <summary>A filter at the map's resolution.</summary>
    /// <param name="padding">Zeros on each side: the map grows by twice as many and shrinks by 3.</param>
    /// <param name="gain">Factor: 4 behind a change of resolution that put zeros between the points of a map.</param>
    internal static LowPass At(int padding, double gain = 1) => new(gain, padding, doubles: false);

    /// <summary>Doubles the resolution: zeros between the points, then the filter.</summary>
    internal static LowPass Doubling() => new(gain: 4, padding: 1, doubles: true);

    /// <summary>[B, C, H, W] to [B, C, H', W'].</summary>
    protected override Tensor Forward(Tensor input)
    {
        var (batch, channels, height, width) = input.Shape;
        // Each plane by itself, not groups of channels: the second derivative of a grouped convolution goes from group to group. The
        // kernel reads the same from all sides, so it need not be turned round.
        var planes = input.Reshape(batch * channels, 1, height, width);
        var filter = kernel.Unsqueeze(0).Unsqueeze(0);
        var result = doubles ? Torch.ConvTranspose2d(planes, filter, null, 2, padding) : Torch.Conv2d(planes, filter, null, 1, padding);
        return result.Reshape(batch, channels, result.Size(2), result.Size(3));
    }
}
