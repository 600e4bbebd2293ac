using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The norm after a convolution.</summary>
public enum ConvNorm
{
    /// <summary>None; the convolution has a bias.</summary>
    None,

    /// <summary>Batch norm, called <c>bn</c>.</summary>
    Batch,

    /// <summary>Group norm of 32 groups, called <c>gn</c>.</summary>
    Group,
}

/// <summary>
/// Convolution, norm, ReLU: the block that necks and heads of mmsegmentation and mmdetection are made of, with its names <c>conv</c> and
/// <c>bn</c> or <c>gn</c>. A convolution in front of a norm has no bias. Maps keep their size at stride 1.
/// </summary>
public sealed partial class ConvModule : Layer
{
    private const int Groups = 32;

    private readonly Conv2d conv;
    private readonly BatchNorm? bn;
    private readonly GroupNorm? gn;
    private readonly bool relu;

    /// <summary>A block whose convolution starts He-normal by its outputs, and its bias at zero.</summary>
    /// <param name="inputs">Channels of the map.</param>
    /// <param name="outputs">Channels of the result.</param>
    /// <param name="kernel">Side of the kernel; the map is padded by half of it.</param>
    /// <param name="stride">Stride of the convolution.</param>
    /// <param name="norm">The norm.</param>
    /// <param name="relu">Whether it ends in a ReLU.</param>
    /// <param name="eps">Of the norm.</param>
    public ConvModule(
        int inputs,
        int outputs,
        int kernel,
        int stride = 1,
        ConvNorm norm = ConvNorm.Batch,
        bool relu = true,
        double eps = 1e-5
    )
    {
        this.relu = relu;
        conv = new Conv2d(inputs, outputs, kernel, stride, kernel / 2, bias: norm == ConvNorm.None);
        Init.KaimingNormal(conv.Weight, fanOut: true);
        if (conv.Bias is { } bias)
            Init.Zeros(bias);
        if (norm == ConvNorm.Batch)
            bn = new BatchNorm(outputs, eps);
        if (norm == ConvNorm.Group)
            gn = new GroupNorm(Groups, outputs, eps);
    }

    /// <summary>The convolution, for another initialisation.</summary>
    internal Conv2d Convolution => conv;

    /// <inheritdoc/>
    /// <exception cref="ShapeException">In training, a batch norm has one value per channel alone to take statistics of.</exception>
    protected override Tensor Forward(Tensor input) // [B, C, H, W]
    {
        var x = conv.Call(input);
        if (bn is not null)
        {
            if (bn.Training && bn.Shared is null && x.Size(0) * x.Size(2) * x.Size(3) == 1)
                throw new ShapeException(
                    $"a batch norm cannot train on a map of shape {x.Shape}, which has one value per channel: the batch must have at least "
                        + "2 images"
                );
            x = bn.Call(x);
        }
        if (gn is not null)
            x = gn.Call(x);
        return relu ? x.Relu() : x;
    }
}
