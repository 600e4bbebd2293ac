using Tessera.Nn;

namespace Tessera.Distributed;

/// <summary>
/// Batch normalisation by the mean and variance of the samples of all processes, so that the result is that of the whole batch in
/// one process. Means and squared distances from them are joined as by Chan et al. (1979), which loses no digits.
/// </summary>
/// <param name="group">The processes.</param>
/// <param name="eps">Added to the variance.</param>
internal sealed class SyncBatchNorm(ProcessGroup group, double eps) : Function
{
    private double count;
    private bool listens;

    /// <summary>Normalises by the samples of a group, but for passes that a process computes alone.</summary>
    internal static SharedNormalization Over(ProcessGroup group) =>
        (input, weight, bias, eps) =>
        {
            if (group.Participation == Participation.Alone)
                return null;
            var function = new SyncBatchNorm(group, eps);
            // A norm may have a scale without a shift.
            var results = function.Apply(weight is null ? [input] : [input, weight, bias ?? weight.Detach().ZerosLike()]);
            return new(results[0], results[1], results[2], function.count);
        };

    protected override Tensor[] Forward(Context context, Tensor[] inputs)
    {
        var (input, weight, bias) = (inputs[0], inputs.ElementAtOrDefault(1), inputs.ElementAtOrDefault(2));
        var channels = input.Size(1);
        var wide = Wide(input);
        var ownMean = wide.Mean(Others(input));
        var ownSquares = (wide - Along(ownMean, input)).Square().Sum(Others(input));
        listens = group.Participation == Participation.Listening;
        var own = input.Elements / (double)channels;
        // Of a process that listens, whatever it holds counts nothing, not even a NaN.
        var local = listens
            ? Torch.Zeros(2 * channels + 1, wide.DType, device: input.Device)
            : Torch.Cat([ownMean, ownSquares, Torch.Full(1, own, wide.DType, device: input.Device)]);
        var all = group.AllGather(local); // [W, 2C + 1]
        var (means, squares, counts) = (
            all.Slice(1, 0, channels),
            all.Slice(1, channels, 2 * channels),
            all.Slice(1, 2 * channels, 2 * channels + 1)
        );
        var total = counts.Sum();
        var mean = (means * counts).Sum(0) / total; // [C]
        var variance = (squares + counts * (means - mean).Square()).Sum(0) / total; // [C]
        count = total.ToDouble();
        var output = Torch.BatchNorm(input.Contiguous(), weight, bias, mean, variance, false, 0, eps, false);
        context.Save(weight is null ? [input, mean, variance] : [input, mean, variance, weight]);
        context.MarkConstant(mean, variance);
        context.State = weight is not null;
        return [output, mean, variance];
    }

    protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
    {
        var affine = (bool)context.State!;
        if (gradients[0] is not { } given)
            throw new InvalidOperationException("the output of a batch norm has no gradient");
        var (input, mean, scale) = (context.Saved(0), context.Saved(1), (context.Saved(2) + eps).Rsqrt());
        var gradient = Wide(given);
        var centred = Wide(input) - Along(mean, input);
        var sum = gradient.Sum(Others(input));
        var product = (gradient * centred).Sum(Others(input));
        var both = Torch.Stack([sum, product]); // [2, C]
        group.AllReduce(both);
        var (sums, products) = (both.Select(0, 0), both.Select(0, 1));
        var factor = affine ? scale * context.Saved(3) : scale;
        var result =
            (gradient - Along(sums / count, input) - centred * Along(scale.Square() * products / count, input)) * Along(factor, input);
        // The samples of a process that listens have no part in the statistics.
        result = listens ? input.ZerosLike() : result.To(input.DType);
        // Of scale and shift each process has its own samples' share, which the reducer adds up as it does for all parameters.
        return affine ? [result, product * scale, sum] : [result];
    }

    private static Tensor Wide(Tensor tensor) => tensor.DType is DType.BFloat16 or DType.Float16 ? tensor.To(DType.Float32) : tensor;

    private static IntList Others(Tensor input) => new([0, .. Enumerable.Range(2, (int)input.Dim - 2).Select(i => (long)i)]);

    // [C] -> [1, C, 1, ...]
    private static Tensor Along(Tensor perChannel, Tensor input) =>
        perChannel.Reshape(new IntList([1, -1, .. Enumerable.Repeat(1L, (int)input.Dim - 2)]));
}
