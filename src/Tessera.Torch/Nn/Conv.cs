namespace Tessera.Nn;

/// <summary>Convolution of [B, C, L].</summary>
public sealed partial class Conv1d : Layer
{
    private readonly Parameter weight; // [out, in / groups, k]
    private readonly Parameter? bias;
    private readonly long stride,
        padding,
        dilation,
        groups;

    /// <summary>A convolution with PyTorch's default initialisation; groups equal to the channels make it depthwise.</summary>
    public Conv1d(
        long inputs,
        long outputs,
        long kernel,
        long stride = 1,
        long padding = 0,
        long dilation = 1,
        long groups = 1,
        bool bias = true
    )
    {
        (this.stride, this.padding, this.dilation, this.groups) = (stride, padding, dilation, groups);
        var fanIn = inputs / groups * kernel;
        weight = Init.FanInUniform(new Parameter([outputs, inputs / groups, kernel]), fanIn);
        if (bias)
            this.bias = Init.FanInUniform(new Parameter(outputs), fanIn);
    }

    /// <summary>[out, in / groups, k].</summary>
    public Parameter Weight => weight;

    /// <summary>[out], or null.</summary>
    public Parameter? Bias => bias;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Torch.Conv1d(input, weight, bias, stride, padding, dilation, groups);
}

/// <summary>Convolution of [B, C, H, W].</summary>
public sealed partial class Conv2d : Layer
{
    private readonly Parameter weight; // [out, in / groups, kh, kw]
    private readonly Parameter? bias;
    private readonly IntList stride,
        padding,
        dilation;
    private readonly long groups;

    /// <summary>A convolution with PyTorch's default initialisation; groups equal to the channels make it depthwise.</summary>
    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">One size, or height and width.</param>
    /// <param name="stride">One stride, or height and width.</param>
    /// <param name="padding">Zeros added on each side: one number, or height and width.</param>
    /// <param name="dilation">Spacing of the kernel's points.</param>
    /// <param name="groups">Groups of channels that do not mix.</param>
    /// <param name="bias">Whether a bias is added.</param>
    public Conv2d(
        long inputs,
        long outputs,
        IntList kernel,
        IntList stride = default,
        IntList padding = default,
        IntList dilation = default,
        long groups = 1,
        bool bias = true
    )
    {
        this.stride = stride.HasValue ? stride : 1;
        this.padding = padding.HasValue ? padding : 0;
        this.dilation = dilation.HasValue ? dilation : 1;
        this.groups = groups;
        var (height, width) = (kernel[0], kernel[kernel.Count - 1]);
        var fanIn = inputs / groups * height * width;
        weight = Init.FanInUniform(new Parameter([outputs, inputs / groups, height, width]), fanIn);
        if (bias)
            this.bias = Init.FanInUniform(new Parameter(outputs), fanIn);
    }

    /// <summary>[out, in / groups, kh, kw].</summary>
    public Parameter Weight => weight;

    /// <summary>[out], or null.</summary>
    public Parameter? Bias => bias;

    /// <summary>Groups of channels that do not mix.</summary>
    public long Groups => groups;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Torch.Conv2d(input, weight, bias, stride, padding, dilation, groups);
}

/// <summary>Transposed convolution of [B, C, H, W].</summary>
public sealed partial class ConvTranspose2d : Layer
{
    private readonly Parameter weight; // [in, out / groups, kh, kw]
    private readonly Parameter? bias;
    private readonly IntList stride,
        padding,
        outputPadding,
        dilation;
    private readonly long groups;

    /// <summary>A transposed convolution with PyTorch's default initialisation.</summary>
    public ConvTranspose2d(
        long inputs,
        long outputs,
        IntList kernel,
        IntList stride = default,
        IntList padding = default,
        IntList outputPadding = default,
        long groups = 1,
        bool bias = true,
        IntList dilation = default
    )
    {
        this.stride = stride.HasValue ? stride : 1;
        this.padding = padding.HasValue ? padding : 0;
        this.outputPadding = outputPadding.HasValue ? outputPadding : 0;
        this.dilation = dilation.HasValue ? dilation : 1;
        this.groups = groups;
        var (height, width) = (kernel[0], kernel[kernel.Count - 1]);
        // PyTorch counts the fan-in along the second dimension here too, although it is that of the outputs.
        var fanIn = outputs / groups * height * width;
        weight = Init.FanInUniform(new Parameter([inputs, outputs / groups, height, width]), fanIn);
        if (bias)
            this.bias = Init.FanInUniform(new Parameter(outputs), fanIn);
    }

    /// <summary>[in, out / groups, kh, kw].</summary>
    public Parameter Weight => weight;

    /// <summary>[out], or null.</summary>
    public Parameter? Bias => bias;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) =>
        Torch.ConvTranspose2d(input, weight, bias, stride, padding, outputPadding, groups, dilation);
}
