namespace Tessera.Nn;

/// <summary>x W^T + b over the last dimension.</summary>
public sealed partial class Linear : Layer
{
    private readonly Parameter weight; // [out, in]
    private readonly Parameter? bias; // [out]

    /// <summary>A linear map with PyTorch's default initialisation.</summary>
    public Linear(long inputs, long outputs, bool bias = true)
    {
        weight = Init.FanInUniform(new Parameter([outputs, inputs]), inputs);
        if (bias)
            this.bias = Init.FanInUniform(new Parameter(outputs), inputs);
    }

    /// <summary>[out, in].</summary>
    public Parameter Weight => weight;

    /// <summary>[out], or null.</summary>
    public Parameter? Bias => bias;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Torch.Linear(input, weight, bias);
}
