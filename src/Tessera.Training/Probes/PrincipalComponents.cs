namespace Tessera.Training.Probes;

/// <summary>
/// Descriptors made shorter by principal components: centred, brought to the directions of the largest variance, and to length 1 again. It
/// is found from training descriptors and is no more than a mean and some rows, which can be stored beside a model or an index.
/// </summary>
public sealed class PrincipalComponents
{
    private readonly double[] mean;
    private readonly double[] rows;

    /// <summary>A reduction that was found before.</summary>
    /// <param name="mean">Of the descriptors that it was found from, D values.</param>
    /// <param name="rows">Directions one after the other, d times D values.</param>
    /// <exception cref="ArgumentException">The rows are no multiple of the mean.</exception>
    public PrincipalComponents(ReadOnlySpan<double> mean, ReadOnlySpan<double> rows)
    {
        if (mean.Length == 0 || rows.Length == 0 || rows.Length % mean.Length != 0)
            throw new ArgumentException(
                $"{rows.Length} values of directions must be a multiple of the {mean.Length} of the mean",
                nameof(rows)
            );
        (this.mean, this.rows) = (mean.ToArray(), rows.ToArray());
    }

    /// <summary>Values of a descriptor before.</summary>
    public int InputWidth => mean.Length;

    /// <summary>Values of a descriptor afterwards.</summary>
    public int Width => rows.Length / mean.Length;

    /// <summary>Mean of the descriptors that it was found from.</summary>
    public ReadOnlySpan<double> Mean => mean;

    /// <summary>Directions one after the other, <see cref="InputWidth"/> values each.</summary>
    public ReadOnlySpan<double> Rows => rows;

    /// <summary>Variance along each direction, by n - 1, of the descriptors that it was found from; empty where it was stored.</summary>
    public IReadOnlyList<double> ExplainedVariance { get; private init; } = [];

    /// <summary>Variance in all directions, those that were left out too; 0 where it was stored.</summary>
    public double TotalVariance { get; private init; }

    /// <summary>The directions of the largest variance.</summary>
    /// <param name="descriptors">Training descriptors of length 1, [N, D].</param>
    /// <param name="width">Number of directions d, at most D and below N.</param>
    /// <param name="whiten">Whether each direction is divided by its deviation; not in the paper of IRT.</param>
    /// <exception cref="ArgumentException">The width does not go with the descriptors, or they do not vary in so many
    /// directions.</exception>
    public static PrincipalComponents Fit(Tensor descriptors, int width, bool whiten = false) => Fit([descriptors], width, whiten);

    /// <summary>The same of descriptors that need not be in memory together.</summary>
    /// <inheritdoc cref="Fit(Tensor, int, bool)"/>
    /// <param name="batches">Training descriptors of length 1, [N, D] each.</param>
    /// <param name="width">Number of directions d, at most D and below the number of descriptors.</param>
    /// <param name="whiten">Whether each direction is divided by its deviation; not in the paper of IRT.</param>
    public static PrincipalComponents Fit(IEnumerable<Tensor> batches, int width, bool whiten = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (count, mean, scatter) = Gather(batches);
        var inputs = mean.Size(0);
        if (width > inputs || width >= count)
            throw new ArgumentException(
                $"{count} descriptors of {inputs} values have at most {Math.Min(inputs, Math.Max(count - 1, 0))} principal components, "
                    + $"and {width} are wanted",
                nameof(width)
            );
        var (values, vectors) = (scatter / (count - 1)).LinalgEigh();
        // Eigenvalues ascend.
        var variance = values.Flip([0]).Slice(0, 0, width);
        var directions = vectors.MT.Flip([0]).Slice(0, 0, width); // [d, D]
        var kept = variance.ToArray<double>();
        if (whiten)
        {
            if (kept[^1] <= kept[0] * 1e-12)
                throw new ArgumentException(
                    $"the descriptors vary in fewer than {width} directions, so the others cannot be divided by their deviation",
                    nameof(width)
                );
            directions = directions / variance.Sqrt().Unsqueeze(1);
        }
        return new(mean.ToArray<double>(), directions.Contiguous().ToArray<double>())
        {
            ExplainedVariance = kept,
            TotalVariance = values.Sum().ToDouble(),
        };
    }

    // Number, mean and scatter around it, batch by batch (Chan, Golub and LeVeque, 1979).
    private static (long Count, Tensor Mean, Tensor Scatter) Gather(IEnumerable<Tensor> batches)
    {
        (long Count, Tensor Mean, Tensor Scatter)? all = null;
        foreach (var batch in batches)
        {
            if (batch.Dim != 2 || (all is { } so && batch.Size(1) != so.Mean.Size(0)))
                throw new ShapeException(
                    $"descriptors of shape {batch.Shape}: they must be [N, {(all is { } known ? $"{known.Mean.Size(0)}" : "D")}]"
                );
            if (batch.Size(0) == 0)
                continue;
            using var own = new Scope();
            var values = batch.Detach().To(Device.Cpu).To(DType.Float64);
            var (count, mean) = (values.Size(0), values.Mean([0]));
            var centred = values - mean;
            var scatter = centred.MT.Matmul(centred);
            if (all is var (before, oldMean, oldScatter))
            {
                var (total, shift) = (before + count, mean - oldMean);
                scatter = oldScatter + scatter + shift.Unsqueeze(1) * shift * ((double)before * count / total);
                mean = oldMean + shift * ((double)count / total);
                oldMean.Dispose();
                oldScatter.Dispose();
                count = total;
            }
            all = (count, mean.Keep(), scatter.Keep());
        }
        return all ?? throw new ArgumentException("there are no descriptors to find principal components of", nameof(batches));
    }

    /// <summary>Descriptors in the directions found, of length 1 again.</summary>
    /// <param name="descriptors">[N, D].</param>
    /// <returns>[N, d], of the type and on the device of the descriptors.</returns>
    /// <exception cref="ShapeException">They are of another width.</exception>
    public Tensor Project(Tensor descriptors)
    {
        if (descriptors.Dim != 2 || descriptors.Size(1) != InputWidth)
            throw new ShapeException($"descriptors of shape {descriptors.Shape}: the reduction is for [N, {InputWidth}]");
        return Torch.Scope(() =>
        {
            var moved = descriptors.To(DType.Float64) - Tensor.From(mean).To(descriptors.Device);
            var reduced = moved.Matmul(Tensor.From(rows, Width, InputWidth).To(descriptors.Device).MT);
            return (reduced / reduced.LinalgVectorNorm(2, [1], true).ClampMin(1e-12)).To(descriptors.DType);
        });
    }
}
