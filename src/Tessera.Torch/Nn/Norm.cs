namespace Tessera.Nn;

/// <summary>
/// Normalisation over the last dimension (or dimensions), with a learned scale and shift (Ba et al., 2016, arXiv:1607.06450).
/// </summary>
public sealed partial class LayerNorm : Layer
{
    private readonly Parameter? weight;
    private readonly Parameter? bias;
    private readonly IntList shape;
    private readonly double eps;

    /// <summary>A norm over the given trailing sizes. Mind eps: ViT uses 1e-6, CCT 1e-5.</summary>
    public LayerNorm(IntList shape, double eps = 1e-5, bool affine = true, bool bias = true)
    {
        (this.shape, this.eps) = (shape, eps);
        if (affine)
            weight = Init.Ones(new Parameter(shape));
        if (affine && bias)
            this.bias = Init.Zeros(new Parameter(shape));
    }

    /// <summary>The scale, or null.</summary>
    public Parameter? Weight => weight;

    /// <summary>The shift, or null.</summary>
    public Parameter? Bias => bias;

    /// <summary>Added to the variance.</summary>
    public double Eps => eps;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Torch.LayerNorm(Widened(input, weight), shape, weight, bias, eps);

    /// <summary>
    /// Converts a map of a shorter type, which autocast's products return, to the float32 of the norm's weight. Autocast converts by
    /// itself on CUDA; the CPU of libtorch 1.13 does not and rejects the mixed types.
    /// </summary>
    public static Tensor Widened(Tensor input, Tensor? weight) =>
        weight?.DType == DType.Float32 && input.DType is (DType.BFloat16 or DType.Float16) ? input.To(DType.Float32) : input;
}

/// <summary>Normalisation over groups of channels of [B, C, ...] (Wu and He, 2018, arXiv:1803.08494).</summary>
public sealed partial class GroupNorm : Layer
{
    private readonly Parameter? weight;
    private readonly Parameter? bias;
    private readonly long groups;
    private readonly double eps;

    /// <summary>A norm over <paramref name="groups"/> groups of <paramref name="channels"/> channels.</summary>
    public GroupNorm(long groups, long channels, double eps = 1e-5, bool affine = true)
    {
        (this.groups, this.eps) = (groups, eps);
        if (!affine)
            return;
        weight = Init.Ones(new Parameter(channels));
        bias = Init.Zeros(new Parameter(channels));
    }

    /// <summary>The scale, or null.</summary>
    public Parameter? Weight => weight;

    /// <summary>The shift, or null.</summary>
    public Parameter? Bias => bias;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) =>
        Torch.GroupNorm(weight is null ? input : LayerNorm.Widened(input, weight), groups, weight, bias, eps);
}

/// <summary>
/// Normalisation of each channel over the batch, [B, C], [B, C, L] or [B, C, H, W] (Ioffe and Szegedy, 2015, arXiv:1502.03167).
/// </summary>
/// <remarks>
/// The engine's backward on the CPU is wrong for maps whose memory layout is ambiguous (batch 1, or height or width 1) when
/// exactly one of input and gradient lies in plain layout (docs/engine-defects.md). Both are made contiguous there, which
/// costs nothing where they are already.
/// </remarks>
public sealed partial class BatchNorm : Layer
{
    private readonly Parameter? weight;
    private readonly Parameter? bias;
    private readonly ModuleBuffer? runningMean;
    private readonly ModuleBuffer? runningVar;
    private readonly ModuleBuffer? numBatchesTracked;
    private readonly double eps;

    /// <summary>A batch norm.</summary>
    /// <param name="channels">Size of the second dimension.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="momentum">Weight of the newest batch in the running statistics; null averages over all batches.</param>
    /// <param name="affine">Whether it has a learned scale and shift.</param>
    /// <param name="trackRunningStats">Whether it keeps running statistics; otherwise evaluation uses the batch's own statistics.</param>
    /// <param name="bias">Whether an affine norm has a shift beside its scale.</param>
    public BatchNorm(
        long channels,
        double eps = 1e-5,
        double? momentum = 0.1,
        bool affine = true,
        bool trackRunningStats = true,
        bool bias = true
    )
    {
        (this.eps, Momentum) = (eps, momentum);
        if (affine)
        {
            weight = Init.Ones(new Parameter(channels));
            if (bias)
                this.bias = Init.Zeros(new Parameter(channels));
        }
        if (!trackRunningStats)
            return;
        using var scope = new Scope();
        runningMean = new ModuleBuffer(Torch.Zeros(channels));
        runningVar = new ModuleBuffer(Torch.Ones(channels));
        numBatchesTracked = new ModuleBuffer(Torch.Zeros([], DType.Int64));
    }

    /// <summary>The scale, or null.</summary>
    public Parameter? Weight => weight;

    /// <summary>The shift, or null.</summary>
    public Parameter? Bias => bias;

    /// <summary>Running mean, or null.</summary>
    public ModuleBuffer? RunningMean => runningMean;

    /// <summary>Running variance, or null.</summary>
    public ModuleBuffer? RunningVar => runningVar;

    /// <summary>Added to the variance.</summary>
    public double Eps => eps;

    /// <summary>Weight of the newest batch in the running statistics; null averages over all batches.</summary>
    public double? Momentum { get; set; }

    /// <summary>
    /// Groups of a training batch that are normalised by their own statistics, at least 1, as if each were on a device of its own: sample n
    /// is in group n mod <see cref="Splits"/>, and the running statistics are the mean over the groups. The number must divide each batch;
    /// above 1, statistics of other processes are not shared. MoCo hides by it which samples were together (He et al., 2020,
    /// arXiv:1911.05722, section 3.3).
    /// </summary>
    public int Splits
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            field = value;
        }
    } = 1;

    /// <summary>Normalises training batches by statistics that other processes share; null for statistics of this batch alone.</summary>
    [NotRegistered]
    internal SharedNormalization? Shared { get; set; }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        if (input.Dim < 2)
            throw new ShapeException($"the input of a batch norm must be [B, C, ...], not {input.Shape}");
        var update = 0.0;
        if (Training && runningMean is not null)
        {
            numBatchesTracked!.Add_(1);
            update = Momentum ?? 1.0 / numBatchesTracked.ToDouble();
        }
        if (Training && Splits > 1)
            return InGroups(input, update);
        if (Training && Shared?.Invoke(input, weight, bias, eps) is { } normalized)
            return Track(normalized, update);
        return Normalize(input, weight, bias, runningMean, runningVar, update);
    }

    private Tensor Normalize(Tensor input, Tensor? scale, Tensor? shift, Tensor? mean, Tensor? variance, double update)
    {
        var guarded = input.Device.Type == DeviceType.Cpu;
        var output = Torch.BatchNorm(
            guarded ? input.Contiguous() : input,
            scale,
            shift,
            mean,
            variance,
            Training || mean is null,
            update,
            eps,
            true
        );
        return guarded && input.Dim == 4 && output.RequiresGrad ? ContiguousGradient.Of(output) : output;
    }

    // The channels of all groups side by side: [N, C, ...] as [N / s, s C, ...].
    private Tensor InGroups(Tensor input, double update)
    {
        var (samples, channels) = (input.Size(0), input.Size(1));
        if (samples % Splits != 0)
            throw new ShapeException($"a batch norm in {Splits} groups cannot divide {samples} samples: their number must be a multiple");
        var (mean, variance) = (Repeated(runningMean), Repeated(runningVar));
        IntList grouped = new([samples / Splits, channels * Splits, .. input.Shape.AsSpan()[2..]]);
        var output = Normalize(input.Contiguous().Reshape(grouped), Repeated(weight), Repeated(bias), mean, variance, update);
        if (runningMean is not null && runningVar is not null)
        {
            using var outside = Torch.NoGrad();
            runningMean.Copy_(mean!.Reshape(Splits, channels).Mean(0));
            runningVar.Copy_(variance!.Reshape(Splits, channels).Mean(0));
        }
        return output.Reshape(new IntList(input.Shape.AsSpan()));
    }

    private Tensor? Repeated(Tensor? values) => values?.Repeat([Splits]);

    private Tensor Track(NormalizedBatch batch, double update)
    {
        var (output, mean, variance, count) = batch;
        if (runningMean is not null && runningVar is not null)
        {
            using var outside = Torch.NoGrad();
            runningMean.Mul_(1 - update).Add_(mean, update);
            runningVar.Mul_(1 - update).Add_(variance * (count / Math.Max(1, count - 1)), update);
        }
        return output;
    }
}
