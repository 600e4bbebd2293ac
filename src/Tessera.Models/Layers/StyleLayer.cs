namespace Tessera.Models.Layers;

/// <summary>
/// A modulated convolution, noise, bias and rectifier (Karras et al., 2020, arXiv:1912.04958, figure 2). It takes maps [B, C, H, W] and
/// styles [B, S].
/// </summary>
/// <param name="inputs">Channels in.</param>
/// <param name="outputs">Channels out.</param>
/// <param name="kernel">Side of the kernel, odd.</param>
/// <param name="style">Width S of the styles.</param>
/// <param name="doubles">Whether it doubles the resolution.</param>
internal sealed partial class StyleLayer(int inputs, int outputs, int kernel, int style, bool doubles = false)
    : Module<(Tensor Map, Tensor Style), Tensor>
{
    private readonly ModulatedConv2d conv = new(inputs, outputs, kernel, style, doubles: doubles);
    private readonly NoiseInjection noise = new();
    private readonly BiasedLeakyRelu activate = new(outputs);

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor Map, Tensor Style) input) => activate.Call(noise.Call(conv.Call(input)));
}
