using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>A strided convolution whose map becomes tokens, normalised: the patch embedding of the pyramids.</summary>
public sealed partial class ConvEmbed : Layer
{
    private readonly Conv2d proj;
    private readonly LayerNorm? norm;
    private readonly int kernel,
        stride,
        padding;

    /// <summary>Channels to tokens of <paramref name="dim"/>.</summary>
    /// <param name="channels">Channels of the map.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="kernel">Side of the convolution's kernel; larger than the stride, patches overlap.</param>
    /// <param name="stride">Its stride.</param>
    /// <param name="padding">Zeros on every side.</param>
    /// <param name="eps">Of the norm; null for none.</param>
    public ConvEmbed(int channels, int dim, int kernel, int stride, int padding = 0, double? eps = 1e-5)
    {
        (this.kernel, this.stride, this.padding) = (kernel, stride, padding);
        proj = new Conv2d(channels, dim, kernel, stride, padding);
        if (eps is { } value)
            norm = new LayerNorm(dim, value);
    }

    /// <summary>The convolution's weights, [D, C, k, k].</summary>
    public Parameter Weight => proj.Weight;

    /// <summary>Rows and columns of tokens of a map.</summary>
    /// <exception cref="ShapeException">The map is smaller than the kernel.</exception>
    public (int Height, int Width) Grid(int height, int width)
    {
        if (Math.Min(height, width) + 2 * padding < kernel)
            throw new ShapeException($"a map of {height} x {width} is smaller than the patch embedding's kernel of {kernel} x {kernel}");
        return ((height + 2 * padding - kernel) / stride + 1, (width + 2 * padding - kernel) / stride + 1);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, N, D]
    {
        var x = proj.Call(input).ToTokens();
        return norm is null ? x : norm.Call(x);
    }
}
