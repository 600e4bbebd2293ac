using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Two convolutions 1 x 1 with GELU in between, over the channels of [B, C, H, W].</summary>
public sealed partial class ConvMlp : Layer
{
    private readonly Conv2d fc1;
    private readonly Conv2d fc2;
    private readonly Dropout drop;

    /// <summary>dim to hidden and back.</summary>
    public ConvMlp(int dim, int hidden, double dropout = 0)
    {
        fc1 = new Conv2d(dim, hidden, 1);
        fc2 = new Conv2d(hidden, dim, 1);
        drop = new Dropout(dropout);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => drop.Call(fc2.Call(drop.Call(fc1.Call(input).Gelu())));
}
