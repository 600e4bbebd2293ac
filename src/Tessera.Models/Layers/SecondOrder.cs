using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Second-order statistics of tokens (Xie et al., 2021, arXiv:2104.10935, section 3.2; Li et al., 2018, arXiv:1712.01034).
/// </summary>
public static class SecondOrder
{
    /// <summary>A^T B / N of two sets of tokens, each without its mean.</summary>
    /// <param name="a">[B, N, m].</param>
    /// <param name="b">[B, N, m].</param>
    /// <param name="perChannel">Removes a mean per channel, as the paper reads; otherwise one number per matrix, as its code does.</param>
    /// <returns>[B, m, m].</returns>
    public static Tensor CrossCovariance(Tensor a, Tensor b, bool perChannel = false) =>
        Torch.Scope(() => Center(a, perChannel).MT.Matmul(Center(b, perChannel)) / a.Size(1));

    /// <summary>
    /// X^T X / m of tokens without their mean. The division by the width, not by the number of tokens, is that of the published code.
    /// </summary>
    /// <param name="x">[B, N, m].</param>
    /// <param name="perChannel">As in <see cref="CrossCovariance"/>.</param>
    /// <returns>[B, m, m].</returns>
    public static Tensor Covariance(Tensor x, bool perChannel = false) =>
        Torch.Scope(() =>
        {
            var centred = Center(x, perChannel);
            return centred.MT.Matmul(centred) / x.Size(2);
        });

    private static Tensor Center(Tensor x, bool perChannel) => x - x.Mean(perChannel ? [1] : [1, 2], true);

    /// <summary>
    /// The square root of symmetric matrices by Newton and Schulz: scaled by the trace before, by its root after. Runs in float32
    /// or more, also under autocast.
    /// </summary>
    /// <param name="x">[B, m, m].</param>
    /// <param name="iterations">1 or more.</param>
    public static Tensor SquareRoot(Tensor x, int iterations = 3) =>
        Torch.Scope(() =>
        {
            using var exact = Torch.Autocast(device: x.Device.Type, enabled: false);
            if (x.DType is DType.BFloat16 or DType.Float16)
                x = x.To(DType.Float32);
            var trace = x.Diagonal(0, 1, 2).Sum([1]).Reshape(-1, 1, 1);
            var identity = Torch.Eye(x.Size(1), x.DType, device: x.Device) * 3;
            var y = x / trace;
            Tensor? z = null; // the identity at first
            for (var i = 1; i <= iterations; i++)
            {
                var factor = (identity - (z is null ? y : z.Matmul(y))) / 2;
                y = y.Matmul(factor);
                if (i < iterations)
                    z = z is null ? factor : factor.Matmul(z);
            }
            return y * trace.Sqrt();
        });

    /// <summary>The upper triangle with the diagonal, by rows: [B, m, m] to [B, m (m + 1) / 2].</summary>
    public static Tensor UpperTriangle(Tensor x) =>
        Torch.Scope(() =>
        {
            var size = (int)x.Size(1);
            long[] positions =
            [
                .. Enumerable
                    .Range(0, size)
                    .SelectMany(row => Enumerable.Range(row, size - row), (row, column) => (long)row * size + column),
            ];
            return x.Flatten(1).IndexSelect(1, Tensor.From(positions).To(x.Device));
        });
}

/// <summary>
/// Singular value power normalisation: the largest singular values are found by power iteration from a learned start and
/// raised to a power, the rest of the matrix is divided accordingly (Xie et al., 2021, section 3.3). Runs in float32 or more,
/// also under autocast; gradients flow through the iteration.
/// </summary>
public sealed partial class SingularValuePower : Layer
{
    private readonly Parameter weight; // [m]
    private readonly int iterations;
    private readonly int? count;
    private readonly double power;

    /// <summary>A norm of matrices [m, m].</summary>
    /// <param name="dim">m.</param>
    /// <param name="iterations">Steps of the power iteration per singular value.</param>
    /// <param name="count">Singular values that are found; null finds all and leaves no rest.</param>
    /// <param name="power">In (0, 1].</param>
    public SingularValuePower(int dim, int iterations = 1, int? count = 1, double power = 0.5)
    {
        (this.iterations, this.count, this.power) = (iterations, count, power);
        weight = Init.Normal(new Parameter(dim), 1);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, m, m]
    {
        using var exact = Torch.Autocast(device: input.Device.Type, enabled: false);
        var rest = input.DType is DType.BFloat16 or DType.Float16 ? input.To(DType.Float32) : input;
        var start = weight.To(rest.DType).Reshape(1, -1, 1).Expand([rest.Size(0), -1, -1]);
        Tensor? sum = null;
        Tensor? value = null;
        for (var i = 0; i < (count ?? rest.Size(1)); i++)
        {
            var (left, right) = (start, start); // [B, m, 1]
            for (var k = 0; k < iterations; k++)
            {
                left = Unit(rest.Matmul(right));
                right = Unit(rest.MT.Matmul(left));
            }
            // A matrix of zeros (tokens that are all alike) has no direction: without the bound its gradient would be no number.
            value = left.MT.Matmul(rest).Matmul(right).ClampMin(1e-12); // [B, 1, 1]
            var component = left.Matmul(right.MT);
            var part = value.Pow(power) * component;
            sum = sum is null ? part : sum + part;
            rest = rest - value * component;
        }
        if (count is null)
            return sum!;
        return sum! + rest / (value!.Pow(1 - power) + 1e-5);
    }

    private static Tensor Unit(Tensor x) => x / x.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
}
