namespace Tessera.Nn;

/// <summary>x itself.</summary>
public sealed class Identity : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input;
}

/// <summary>max(x, 0).</summary>
public sealed class Relu : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Relu();
}

/// <summary>x for positive x, a small multiple of it below.</summary>
public sealed class LeakyRelu(double slope = 0.01) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.LeakyRelu(slope);
}

/// <summary>min(max(x, 0), 6).</summary>
public sealed class Relu6 : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Hardtanh(0, 6);
}

/// <summary>Gaussian error linear unit, exact (erf) or by tanh (Hendrycks and Gimpel, 2016, arXiv:1606.08415).</summary>
public sealed class Gelu(bool tanh = false) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Gelu(tanh ? "tanh" : "none");
}

/// <summary>x sigmoid(x), also known as swish.</summary>
public sealed class Silu : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Silu();
}

/// <summary>Piecewise linear swish (Howard et al., 2019, arXiv:1905.02244).</summary>
public sealed class Hardswish : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Hardswish();
}

/// <summary>1 / (1 + exp(-x)).</summary>
public sealed class Sigmoid : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Sigmoid();
}

/// <summary>Hyperbolic tangent.</summary>
public sealed class Tanh : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Tanh();
}

/// <summary>Exponentials normalised along a dimension.</summary>
public sealed class Softmax(long dim = -1) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Softmax(dim);
}

/// <summary>x above zero, and x times a learned slope of its channel below (He et al., 2015, arXiv:1502.01852, equation 1).</summary>
public sealed partial class PRelu : Layer
{
    private readonly Parameter weight; // [C]

    /// <summary>A rectifier with slopes of 0.25.</summary>
    /// <param name="channels">Size of the second dimension.</param>
    public PRelu(long channels)
    {
        weight = new Parameter(channels);
        using var outside = Torch.NoGrad();
        weight.Fill_(0.25);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Prelu(weight);
}
