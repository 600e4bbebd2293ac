using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>What of a convolution has one bit.</summary>
public enum Binarization
{
    /// <summary>Nothing.</summary>
    Real,

    /// <summary>The signs of the inputs count; weights are real.</summary>
    Activations,

    /// <summary>
    /// Signs of inputs and weights, times the mean absolute weight of each output channel (Rastegari et al., "XNOR-Net", 2016,
    /// arXiv:1603.05279, equation 6).
    /// </summary>
    Xnor,

    /// <summary>
    /// Signs of inputs and weights, times a learned factor of each output channel (Bulat and Tzimiropoulos, "XNOR-Net++", 2019,
    /// arXiv:1909.13863, section 3).
    /// </summary>
    XnorPlus,
}

/// <summary>
/// A convolution of [B, C, H, W] without bias, of which inputs and weights may be signs. Padding comes after the signs and counts nothing.
/// Gradients pass a sign as if it were not there where the value lies within (-1, 1), and not at all elsewhere.
/// </summary>
public sealed class BinaryConv2d : Layer
{
    private const string WeightName = "weight",
        ScaleName = "activation_post_process.alpha";

    private readonly Parameter weight; // [out, in / groups, kh, kw]
    private readonly Parameter? alpha; // [1, out, 1, 1]
    private readonly Binarization binarization;
    private readonly bool centersWeights;
    private readonly IntList stride,
        padding,
        dilation;
    private readonly long groups;

    /// <summary>A convolution with PyTorch's default initialisation and factors of 1.</summary>
    /// <param name="inputs">Channels of the input.</param>
    /// <param name="outputs">Channels of the output.</param>
    /// <param name="kernel">One size, or height and width.</param>
    /// <param name="stride">One stride, or height and width.</param>
    /// <param name="padding">Zeros added on each side.</param>
    /// <param name="dilation">Spacing of the kernel's points.</param>
    /// <param name="groups">Groups of channels that do not mix.</param>
    /// <param name="binarization">What of it has one bit.</param>
    /// <param name="centersWeights">Whether weights lose their mean over the input channels before their sign is taken.</param>
    public BinaryConv2d(
        long inputs,
        long outputs,
        IntList kernel,
        IntList stride = default,
        IntList padding = default,
        IntList dilation = default,
        long groups = 1,
        Binarization binarization = Binarization.XnorPlus,
        bool centersWeights = false
    )
    {
        (this.binarization, this.centersWeights, this.groups) = (binarization, centersWeights, groups);
        this.stride = stride.HasValue ? stride : 1;
        this.padding = padding.HasValue ? padding : 0;
        this.dilation = dilation.HasValue ? dilation : 1;
        var (height, width) = (kernel[0], kernel[kernel.Count - 1]);
        weight = Init.FanInUniform(new Parameter([outputs, inputs / groups, height, width]), inputs / groups * height * width);
        if (binarization == Binarization.XnorPlus)
            alpha = Init.Ones(new Parameter([1, outputs, 1, 1]));
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add(WeightName, weight);
        members.Add(ScaleName, alpha);
    }

    /// <summary>Whether a name in a state dict is that of learned factors.</summary>
    internal static bool IsScale(string name) => name.EndsWith($".{ScaleName}", StringComparison.Ordinal);

    /// <summary>Name of the weights whose channels a factor belongs to.</summary>
    /// <param name="scale">Name of the factors.</param>
    internal static string WeightOf(string scale) => scale[..^ScaleName.Length] + WeightName;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        var x = binarization == Binarization.Real ? input : Sign(input);
        var y = Torch.Conv2d(x, Weights(), null, stride, padding, dilation, groups);
        return alpha is null ? y : y * alpha;
    }

    private Tensor Weights()
    {
        if (binarization is Binarization.Real or Binarization.Activations)
            return weight;
        var centered = centersWeights ? weight - weight.Mean([1], true) : weight;
        var signs = Sign(centered);
        return alpha is null ? signs * centered.Abs().Mean([1, 2, 3], true) : signs;
    }

    private static Tensor Sign(Tensor x) => new StraightThrough().Apply(x)[0];

    private sealed class StraightThrough : Function
    {
        protected override Tensor[] Forward(Context context, Tensor[] inputs)
        {
            context.Save(inputs[0]);
            return [inputs[0].Sign()];
        }

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients) =>
            [gradients[0] is { } gradient ? gradient * context.Saved(0).Abs().Lt(1) : null];
    }
}
