using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// An MLP with a depthwise 3 x 3 convolution of the tokens' map before its GELU (PVT v2, arXiv:2106.13797, section 3.3; SegFormer's
/// Mix-FFN, arXiv:2105.15203, section 3.1).
/// </summary>
public sealed partial class PyramidMlp : Module<(Tensor Tokens, int Height, int Width), Tensor>
{
    private readonly Linear fc1;
    private readonly Depthwise dwconv;
    private readonly Linear fc2;
    private readonly Dropout drop;
    private readonly bool rectified;

    /// <summary>dim to hidden and back.</summary>
    /// <param name="dim">Width.</param>
    /// <param name="hidden">Width in between.</param>
    /// <param name="rectified">A ReLU before the convolution, as the variants with linear attention have.</param>
    /// <param name="dropout">Dropout after GELU and of the result.</param>
    public PyramidMlp(int dim, int hidden, bool rectified = false, double dropout = 0)
    {
        this.rectified = rectified;
        fc1 = new Linear(dim, hidden);
        dwconv = new Depthwise(hidden);
        fc2 = new Linear(hidden, dim);
        drop = new Dropout(dropout);
    }

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor Tokens, int Height, int Width) input) // [B, N, D]
    {
        var x = fc1.Call(input.Tokens);
        if (rectified)
            x = x.Relu();
        x = dwconv.Call(x.ToMap(input.Height, input.Width)).ToTokens();
        return drop.Call(fc2.Call(drop.Call(x.Gelu())));
    }

    // A module of its own, as in the names of published weights: mlp.dwconv.dwconv.
    private sealed partial class Depthwise(int channels) : Layer
    {
        private readonly Conv2d dwconv = new(channels, channels, 3, 1, 1, groups: channels);

        protected override Tensor Forward(Tensor input) => dwconv.Call(input);
    }
}
