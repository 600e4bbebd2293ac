namespace Tessera.Nn;

/// <summary>Rows of a table by index: [...] of integers to [..., D].</summary>
public sealed partial class Embedding : Layer
{
    private readonly Parameter weight; // [V, D]
    private readonly long padding;

    /// <summary>A table drawn from the standard normal distribution.</summary>
    /// <param name="count">Number of rows.</param>
    /// <param name="dim">Size of a row.</param>
    /// <param name="padding">A row that starts as zeros and gets no gradient; -1 for none.</param>
    public Embedding(long count, long dim, long padding = -1)
    {
        this.padding = padding;
        weight = Init.Normal(new Parameter([count, dim]), 1);
        if (padding < 0)
            return;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        weight[padding].Zero_();
    }

    /// <summary>[V, D].</summary>
    public Parameter Weight => weight;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Torch.Embedding(weight, input, padding);
}
