using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// x W^T + b with an equalised learning rate: weights begin with deviation 1 and are scaled by 1 / sqrt(inputs) whenever they are used, so
/// that Adam changes all layers at the same relative speed (Karras et al., 2018, arXiv:1710.10196, section 4.1).
/// </summary>
internal sealed partial class EqualLinear : Layer
{
    private readonly Parameter weight; // [out, in]
    private readonly Parameter bias; // [out]
    private readonly double rate;
    private readonly double offset;
    private readonly bool activated;
    private readonly bool learnsBias;

    /// <summary>A map whose weights are normal with deviation 1 / <paramref name="rate"/> and whose bias is 0.</summary>
    /// <param name="inputs">Width of what comes in.</param>
    /// <param name="outputs">Width of what comes out.</param>
    /// <param name="rate">Factor of weights and bias where they are used: what they learn is slower by it.</param>
    /// <param name="offset">Added to the bias.</param>
    /// <param name="activated">Whether <see cref="BiasedLeakyRelu.Activate"/> follows.</param>
    /// <param name="learnsBias">Without it the bias is there and added, but stays as it is.</param>
    internal EqualLinear(long inputs, long outputs, double rate = 1, double offset = 0, bool activated = false, bool learnsBias = true)
    {
        (this.rate, this.offset, this.activated, this.learnsBias) = (rate, offset, activated, learnsBias);
        weight = Init.Normal(new Parameter([outputs, inputs]), 1 / rate);
        bias = Init.Zeros(new Parameter(outputs));
        bias.RequiresGrad = learnsBias;
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        // Detached: whoever lets gradients flow to all parameters of a network again does not mean this one.
        var added = learnsBias ? bias : bias.Detach();
        if (rate != 1)
            added *= rate;
        if (offset != 0)
            added += offset;
        var result = Torch.Linear(input, weight * Scale(weight.Size(1), rate), added);
        return activated ? BiasedLeakyRelu.Activate(result) : result;
    }

    /// <summary>Factor of the weights where they are used.</summary>
    /// <param name="inputs">Numbers that an output is a sum over.</param>
    /// <param name="rate">As the layer was made.</param>
    internal static double Scale(long inputs, double rate = 1) => rate / Math.Sqrt(inputs);
}
