namespace Tessera.Nn;

/// <summary>
/// The identity, with a backward pass that makes the gradient contiguous; guards operators against defects of the engine
/// (docs/engine-defects.md).
/// </summary>
internal sealed class ContiguousGradient : Function
{
    internal static Tensor Of(Tensor x) => new ContiguousGradient().Apply(x)[0];

    protected override Tensor[] Forward(Context context, Tensor[] inputs) => [inputs[0]];

    protected override Tensor?[] Backward(Context context, Tensor?[] gradients) => [gradients[0]?.Contiguous()];
}
