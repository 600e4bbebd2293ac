namespace Tessera.Nn;

/// <summary>Initialisers. They fill a tensor in place from the default random generator and return it.</summary>
public static class Init
{
    [ThreadStatic]
    private static bool skipped;

    /// <summary>Until the region ends, initialisers on this thread do nothing: for models whose weights are loaded or never read.</summary>
    public static ThreadRegion Skip() => new SkipRegion();

    private sealed class SkipRegion : ThreadRegion
    {
        private bool before;

        internal SkipRegion()
            : base("a region without initialisers") => Begin();

        private protected override void Enter() => (before, skipped) = (skipped, true);

        private protected override void Leave() => skipped = before;
    }

    private static T Fill<T>(T tensor, Action<Tensor> fill)
        where T : Tensor
    {
        if (skipped)
            return tensor;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        fill(tensor);
        return tensor;
    }

    /// <summary>One value.</summary>
    public static T Constant<T>(T tensor, double value)
        where T : Tensor => Fill(tensor, t => t.Fill_(value));

    /// <summary>Zeros.</summary>
    public static T Zeros<T>(T tensor)
        where T : Tensor => Constant(tensor, 0);

    /// <summary>Ones.</summary>
    public static T Ones<T>(T tensor)
        where T : Tensor => Constant(tensor, 1);

    /// <summary>Uniform between two bounds.</summary>
    public static T Uniform<T>(T tensor, double low, double high)
        where T : Tensor => Fill(tensor, t => t.Uniform_(low, high));

    /// <summary>Normal distribution.</summary>
    public static T Normal<T>(T tensor, double std, double mean = 0)
        where T : Tensor => Fill(tensor, t => t.Normal_(mean, std));

    /// <summary>Normal distribution cut at absolute bounds, by inversion of its distribution function.</summary>
    /// <param name="tensor">The tensor to fill.</param>
    /// <param name="std">Standard deviation before cutting.</param>
    /// <param name="low">Lower bound (absolute, not in deviations).</param>
    /// <param name="high">Upper bound.</param>
    public static T TruncatedNormal<T>(T tensor, double std, double low = -2, double high = 2)
        where T : Tensor => Fill(tensor, t =>
        {
            var below = 2 * NormalCdf(low / std) - 1;
            var above = 2 * NormalCdf(high / std) - 1;
            t.Uniform_(below, above);
            t.Copy_(t.Erfinv());
            t.Mul_(std * Math.Sqrt(2));
            t.Clamp_(low, high);
        });

    /// <summary>
    /// Uniform with a variance of 1/3 of 1 / fan-in: PyTorch's default for linear maps and convolutions (Kaiming uniform with slope
    /// sqrt 5).
    /// </summary>
    public static T FanInUniform<T>(T tensor, long fanIn)
        where T : Tensor => Uniform(tensor, -1 / Math.Sqrt(fanIn), 1 / Math.Sqrt(fanIn));

    /// <summary>Normal with deviation gain / sqrt(fan) (He et al., 2015, arXiv:1502.01852).</summary>
    public static T KaimingNormal<T>(T tensor, bool fanOut = false, double gain = 1.4142135623730951)
        where T : Tensor
    {
        var (fanIn, fans) = Fans(tensor);
        return Normal(tensor, gain / Math.Sqrt(fanOut ? fans : fanIn));
    }

    /// <summary>Uniform with bound gain * sqrt(3 / fan-in).</summary>
    public static T KaimingUniform<T>(T tensor, double gain = 1.4142135623730951)
        where T : Tensor
    {
        var bound = gain * Math.Sqrt(3.0 / Fans(tensor).In);
        return Uniform(tensor, -bound, bound);
    }

    /// <summary>Uniform with bound sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio, 2010).</summary>
    public static T XavierUniform<T>(T tensor, double gain = 1)
        where T : Tensor
    {
        var (fanIn, fanOut) = Fans(tensor);
        var bound = gain * Math.Sqrt(6.0 / (fanIn + fanOut));
        return Uniform(tensor, -bound, bound);
    }

    /// <summary>
    /// Makes the rows of [out, in...] (or the columns, when there are fewer) orthogonal to each other and of length
    /// <paramref name="gain"/> (Saxe et al., 2013, arXiv:1312.6120).
    /// </summary>
    public static T Orthogonal<T>(T tensor, double gain = 1)
        where T : Tensor => Fill(tensor, t =>
        {
            var (rows, columns) = (t.Size(0), t.Elements / t.Size(0));
            var (basis, triangle) = Torch.LinalgQr(
                Torch.Randn([Math.Max(rows, columns), Math.Min(rows, columns)], DType.Float32, device: t.Device)
            );
            // Signs of the diagonal make the draw uniform over all orthogonal matrices.
            basis = basis * triangle.Diagonal().Sign();
            t.Copy_((rows < columns ? basis.MT : basis).Reshape(t.Shape) * gain);
        });

    /// <summary>Truncated normal with variance 1 / fan-in (LeCun), as JAX draws it: cut at two deviations and rescaled.</summary>
    public static T LecunNormal<T>(T tensor)
        where T : Tensor
    {
        var std = Math.Sqrt(1.0 / Fans(tensor).In) / 0.87962566103423978;
        return TruncatedNormal(tensor, std, -2 * std, 2 * std);
    }

    /// <summary>One number: the largest singular value of a matrix, for spectral norms that keep it.</summary>
    /// <param name="tensor">The tensor to fill.</param>
    /// <param name="matrix">[n, m], filled already.</param>
    public static T LargestSingularValue<T>(T tensor, Tensor matrix)
        where T : Tensor => Fill(tensor, t => t.Copy_(matrix.LinalgMatrixNorm(2.0)));

    /// <summary>Inputs and outputs that one output or input is connected to: sizes of [out, in, kernel...].</summary>
    public static (long In, long Out) Fans(Tensor weight)
    {
        var shape = weight.Shape;
        if (shape.Count < 2)
            throw new ShapeException($"fan-in and fan-out need a shape of at least two dimensions, not {shape}");
        var kernel = shape.Elements / (shape[0] * shape[1]);
        return (shape[1] * kernel, shape[0] * kernel);
    }

    private static double NormalCdf(double x) => 0.5 * (1 + Erf(x / Math.Sqrt(2)));

    // The engine's error function, so that the bounds are exact to its precision.
    private static double Erf(double x)
    {
        using var scope = new Scope();
        return Tensor.Of(x).Erf().ToDouble();
    }
}
