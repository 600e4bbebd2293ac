using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// A gate per channel that two 1 x 1 convolutions read off the mean of the map (Hu et al., 2017, arXiv:1709.01507, section 3).
/// </summary>
public sealed partial class SqueezeExcitation : Layer
{
    private readonly Conv2d fc1;
    private readonly Conv2d fc2;
    private readonly Layer activation;

    /// <summary>A gate over maps of <paramref name="channels"/>, with PyTorch's default initialisation.</summary>
    /// <param name="channels">Channels of the map.</param>
    /// <param name="hidden">Width between the convolutions.</param>
    /// <param name="activation">Between the convolutions.</param>
    public SqueezeExcitation(int channels, int hidden, Layer activation)
    {
        fc1 = new Conv2d(channels, hidden, 1);
        fc2 = new Conv2d(hidden, channels, 1);
        this.activation = activation;
    }

    /// <inheritdoc/>
    protected override Tensor Forward(
        Tensor input
    ) // [B, C, H, W]
        => input * Record("gate", fc2.Call(activation.Call(fc1.Call(input.Mean((2, 3), true)))).Sigmoid());
}
