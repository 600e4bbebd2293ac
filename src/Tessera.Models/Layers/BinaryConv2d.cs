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
/// <remarks>
/// With one bit for inputs and weights, evaluation on the CPU in float32 without gradients runs on packed signs: the sums are whole numbers
/// that float32 holds, and both ways multiply them by the same factors, so that they give the same bits. <see cref="Pack"/> leaves nothing
/// but the packed weights.
/// </remarks>
public sealed class BinaryConv2d : Layer
{
    private const string WeightName = "weight",
        ScaleName = "activation_post_process.alpha";

    /// <summary>Name of the packed weights in the state dict, uint8 [1 or 2, out, bytes].</summary>
    internal const string PackedName = "packed_weight";

    private readonly Parameter? alpha; // [1, out, 1, 1]
    private readonly Binarization binarization;
    private readonly bool centersWeights;
    private readonly IntList kernel,
        stride,
        padding,
        dilation;
    private readonly long inputs,
        outputs,
        groups;
    private Parameter? weight; // [out, in / groups, kh, kw]; null once it is packed
    private ModuleBuffer? packedWeight;
    private ModuleBuffer? packedScale; // [1, out, 1, 1]
    private Recent? recent;

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
        (this.binarization, this.centersWeights) = (binarization, centersWeights);
        (this.inputs, this.outputs, this.groups) = (inputs / groups, outputs, groups);
        this.kernel = Pair(kernel);
        this.stride = Pair(stride.HasValue ? stride : 1);
        this.padding = Pair(padding.HasValue ? padding : 0);
        this.dilation = Pair(dilation.HasValue ? dilation : 1);
        var (height, width) = (this.kernel[0], this.kernel[1]);
        weight = Init.FanInUniform(new Parameter([outputs, this.inputs, height, width]), this.inputs * height * width);
        if (binarization == Binarization.XnorPlus)
            alpha = Init.Ones(new Parameter([1, outputs, 1, 1]));
    }

    /// <summary>Whether inputs and weights have one bit each, so that the convolution can be packed.</summary>
    public bool IsBinary => binarization is Binarization.Xnor or Binarization.XnorPlus;

    /// <summary>Whether the packed weights are all that it has.</summary>
    public bool IsPacked => packedWeight is not null;

    /// <summary>Whether evaluation may run on packed signs; the result is the same either way.</summary>
    public bool UsesPackedKernels { get; set; } = true;

    /// <summary>
    /// Replaces the weights by their signs, a bit each, and the factors of the output channels. It then evaluates as before, with some 1/32
    /// of the memory, but cannot be trained any more; in the state dict, <c>packed_weight</c> stands for <c>weight</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">Not both of inputs and weights have one bit.</exception>
    public void Pack()
    {
        if (!IsBinary)
            throw new InvalidOperationException($"a convolution with {binarization} weights cannot be packed: they are no signs");
        if (IsPacked)
            return;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var centered = Centered();
        Take(PackedSigns.Pack(centered), alpha is null ? Magnitudes(centered) : null);
    }

    /// <summary>Prepares for packed weights that will be loaded.</summary>
    /// <param name="planes">Their first size.</param>
    internal void ExpectPacked(long planes)
    {
        using var scope = new Scope();
        var bytes = PackedSigns.Bytes(inputs * kernel[0] * kernel[1]);
        var (type, device) = (weight?.DType ?? packedScale?.DType, (weight ?? (Tensor)packedWeight!).Device);
        Take(
            Torch.Zeros([planes == 2 ? 2 : 1, outputs, bytes], DType.UInt8, device: device),
            alpha is null ? Torch.Zeros([1, outputs, 1, 1], type, device: device) : null
        );
    }

    private void Take(Tensor signs, Tensor? magnitudes)
    {
        packedWeight = new(signs, constant: true);
        packedScale = magnitudes is null ? null : new(magnitudes, constant: true);
        (weight, recent) = (null, null);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add(WeightName, weight);
        members.Add(ScaleName, alpha);
        members.Add(PackedName, packedWeight);
        members.Add("packed_scale", packedScale);
    }

    /// <summary>Whether a name in a state dict is that of learned factors.</summary>
    internal static bool IsScale(string name) => name.EndsWith($".{ScaleName}", StringComparison.Ordinal);

    /// <summary>Name of the weights whose channels a factor belongs to.</summary>
    /// <param name="scale">Name of the factors.</param>
    internal static string WeightOf(string scale) => scale[..^ScaleName.Length] + WeightName;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        if (IsPacked && Training)
            throw new InvalidOperationException("packed weights cannot be trained: call Eval(), or load weights that are not packed");
        if (!IsBinary)
            return Convolve(binarization == Binarization.Real ? input : Sign(input), weight!);
        if (UsesPackedKernels && TakesSigns(input))
        {
            var (signs, magnitudes) = packedWeight is null ? Packed() : (packedWeight, packedScale);
            return Torch.BinaryConv2d(input, signs, alpha ?? magnitudes, kernel, stride, padding, dilation, groups);
        }
        if (packedWeight is not null)
            return Convolve(Sign(input), PackedSigns.Unpack(packedWeight, inputs, kernel[0], kernel[1], input.DType))
                * (alpha ?? (Tensor)packedScale!);
        var centered = Centered();
        if (alpha is not null)
            return Convolve(Sign(input), Sign(centered)) * alpha;
        // As published, the factors are in the weights. Where packed signs could be used they come after the sum, as with those: the
        // results then have the same bits.
        return TakesSigns(input)
            ? Convolve(Sign(input), Sign(centered)) * Magnitudes(centered)
            : Convolve(Sign(input), Sign(centered) * Factors(centered));
    }

    private Tensor Convolve(Tensor x, Tensor weights) => Torch.Conv2d(x, weights, null, stride, padding, dilation, groups);

    // Whether packed signs could be used. Autocast asks for sums in another type.
    private bool TakesSigns(Tensor input) =>
        !Training
        && !Torch.GradEnabled
        && input.Device.Type == DeviceType.Cpu
        && input.DType == DType.Float32
        && (weight?.DType ?? alpha?.DType ?? packedScale!.DType) == DType.Float32
        && Torch.AutocastType(DeviceType.Cpu) is null;

    // Weights that change in place are packed anew. The memory of those that were packed is held, so that no others can have its address.
    private (Tensor Signs, Tensor? Magnitudes) Packed()
    {
        var (version, last) = (weight!.Version, recent);
        if (last is not null && version >= 0 && last.Version == version && Address(last.Source) == Address(weight))
            return (last.Signs, last.Magnitudes);
        var centered = Centered();
        var fresh = new Recent(
            weight.Detach().Keep(),
            version,
            PackedSigns.Pack(centered).Keep(),
            alpha is null ? Magnitudes(centered).Keep() : null
        );
        recent = fresh;
        return (fresh.Signs, fresh.Magnitudes);
    }

    private static unsafe nint Address(Tensor tensor) => (nint)tensor.Info.Data;

    private Tensor Centered() => centersWeights ? weight! - weight!.Mean([1], true) : weight!;

    private static Tensor Magnitudes(Tensor weights) => Factors(weights).Reshape(1, -1, 1, 1);

    private static Tensor Factors(Tensor weights) => weights.Abs().Mean([1, 2, 3], true); // [out, 1, 1, 1]

    private static IntList Pair(IntList sizes) => [sizes[0], sizes[sizes.Count - 1]];

    private static Tensor Sign(Tensor x) => new StraightThrough().Apply(x)[0];

    // The packed weights of the last call, and of which ones they are.
    private sealed record Recent(Tensor Source, long Version, Tensor Signs, Tensor? Magnitudes);

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
