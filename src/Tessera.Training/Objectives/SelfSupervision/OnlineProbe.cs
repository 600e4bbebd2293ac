using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// A linear classifier that learns along on the features of a method without labels, and tells how good they are. It has steps of Adam of
/// its own and no parameter that the recipe's optimiser, clipping or decay could see; it draws no random number, and no gradient leaves it:
/// the method trains the same weights, bit for bit, with it as without.
/// </summary>
public sealed partial class OnlineProbe : Module
{
    private const double LearningRate = 1e-3,
        Beta1 = 0.9,
        Beta2 = 0.999,
        Eps = 1e-8;

    private readonly ModuleBuffer map; // [classes, D + 1]: weight, then bias
    private readonly ModuleBuffer mean; // of the gradients
    private readonly ModuleBuffer square;
    private readonly ModuleBuffer steps; // [1], float64

    /// <summary>A classifier that begins with zeros.</summary>
    /// <param name="width">Channels of a feature D, at least 1.</param>
    /// <param name="classes">At least 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is less.</exception>
    public OnlineProbe(int width, int classes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        ModuleBuffer Zeros() => new(Torch.Zeros([classes, width + 1]));
        (map, mean, square) = (Zeros(), Zeros(), Zeros());
        steps = new(Torch.Zeros([1], DType.Float64));
    }

    /// <summary>Logits, float32 [B, classes], without a graph.</summary>
    /// <param name="features">[B, D].</param>
    public Tensor Logits(Tensor features) =>
        Torch.Scope(() =>
        {
            using var outside = Torch.NoGrad();
            using var exact = Torch.Autocast(device: features.Device.Type, enabled: false);
            return WithOne(features).Matmul(map.MT);
        });

    // The bias is the weight of a feature that is always 1.
    private static Tensor WithOne(Tensor features)
    {
        var rows = features.Detach().To(DType.Float32);
        return Torch.Cat([rows, rows.NewOnes([rows.Size(0), 1])], 1);
    }

    /// <summary>Answers to a batch, then learns from it: a step of Adam along the gradient of the mean cross entropy.</summary>
    /// <param name="features">[B, D].</param>
    /// <param name="batch">With one class per sample.</param>
    /// <param name="group">Processes whose samples count together; null for one.</param>
    /// <returns>Mean cross entropy before the step, and how many answers were right.</returns>
    internal (Tensor Loss, Score Score) Learn(Tensor features, Batch batch, ProcessGroup? group = null)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        using var exact = Torch.Autocast(device: features.Device.Type, enabled: false);
        var (rows, labels) = (WithOne(features), ClassTargets.Of(batch).Labels);
        var logits = rows.Matmul(map.MT);
        var loss = logits.CrossEntropyLoss(labels);
        var counts = !batch.IsPlaceholder;
        // A pass that only looks for the source of a number that is not finite teaches nothing.
        if (group?.Participation != Participation.Alone)
            Step(
                (logits.Softmax(1) - labels.OneHot((int)map.Size(0)).To(DType.Float32)).MT.Matmul(rows),
                counts ? labels.Size(0) : 0,
                group
            );
        var right = counts ? new Score(logits.Argmax(1).Eq(labels).Sum().ToInt64(), labels.Size(0)) : default;
        return (scope.Return(loss), right);
    }

    private void Step(Tensor gradient, long count, ProcessGroup? group)
    {
        if (count == 0)
            gradient = gradient.ZerosLike();
        if (group is not null)
        {
            var sums = Torch.Cat([gradient.Reshape(-1), gradient.NewFull([1], (double)count)], 0);
            group.AllReduce(sums);
            gradient = sums.Slice(0, 0, -1).Reshape(gradient.Size(0), gradient.Size(1)) / sums.Slice(0, -1).ClampMin(1);
        }
        else
            gradient = gradient / Math.Max(count, 1);
        steps.Add_(1);
        mean.Mul_(Beta1).Add_(gradient, 1 - Beta1);
        square.Mul_(Beta2).Addcmul_(gradient, gradient, 1 - Beta2);
        var done = steps.ToArray<double>()[0];
        var denominator = (square / (1 - Math.Pow(Beta2, done))).Sqrt().Add_(Eps);
        map.Addcdiv_(mean, denominator, -LearningRate / (1 - Math.Pow(Beta1, done)));
    }
}
