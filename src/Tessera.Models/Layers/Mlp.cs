using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Two linear maps with GELU in between, over the last dimension.</summary>
public sealed partial class Mlp : Layer
{
    private readonly Linear fc1;
    private readonly Linear fc2;
    private readonly Dropout drop;

    /// <summary>dim to hidden to outputs (dim when left out).</summary>
    public Mlp(int dim, int hidden, double dropout = 0, int? outputs = null)
    {
        fc1 = new Linear(dim, hidden);
        fc2 = new Linear(hidden, outputs ?? dim);
        drop = new Dropout(dropout);
    }

    /// <summary>Its two maps.</summary>
    public (Linear First, Linear Second) Maps => (fc1, fc2);

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => drop.Call(fc2.Call(drop.Call(fc1.Call(input).Gelu())));
}
