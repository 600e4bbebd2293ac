namespace Tessera.Training.Objectives;

/// <summary>
/// The newest K features of past batches, as negatives of contrastive methods (He et al., 2020, arXiv:1911.05722, section 3.2). A ring
/// buffer: a batch takes the place of the oldest features. As a field of an objective it is saved in checkpoints.
/// </summary>
public sealed partial class FeatureQueue : Module
{
    private readonly ModuleBuffer queue; // [D, K], as published
    private readonly ModuleBuffer queuePtr; // [1], int64: where the next batch goes
    private readonly ModuleBuffer filled; // [1], int64: how many features came from batches

    /// <summary>A queue of random directions, which batches replace one after the other.</summary>
    /// <param name="capacity">Number of features K, at least 1.</param>
    /// <param name="width">Channels of a feature D, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is below 1.</exception>
    public FeatureQueue(int capacity, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var random = Torch.Randn([width, capacity]);
        queue = new(random / random.LinalgVectorNorm(2, [0], true).ClampMin(1e-12));
        queuePtr = new(Torch.Zeros([1], DType.Int64));
        filled = new(Torch.Zeros([1], DType.Int64));
    }

    /// <summary>Number of features K.</summary>
    public int Capacity => (int)queue.Size(1);

    /// <summary>Channels of a feature D.</summary>
    public int Width => (int)queue.Size(0);

    /// <summary>How many of the features came from batches; the others are random directions of the beginning.</summary>
    public int Count => (int)filled.ToArray<long>()[0];

    /// <summary>
    /// A copy of the features, one per column, [D, K], in the order of the ring; owned by the current scope. It stays as it is when a batch
    /// comes in before the backward pass. Features of a checkpoint are as they were saved: nothing normalises them again.
    /// </summary>
    public Tensor Snapshot() => Torch.Scope(() => queue.Detach().Clone());

    /// <summary>Takes in the features of a batch in place of the oldest. They are taken as they are: normalise them before.</summary>
    /// <param name="features">Features of a batch, [N, D]; N must divide K. No gradient flows back to them.</param>
    /// <exception cref="ShapeException">They are of another width, or N does not divide K.</exception>
    public void Enqueue(Tensor features)
    {
        if (features.Dim != 2 || features.Size(1) != Width)
            throw new ShapeException($"features of shape {features.Shape} for a queue of width {Width}: they must be [N, {Width}]");
        var count = features.Size(0);
        if (count == 0 || Capacity % count != 0)
            throw new ShapeException(
                $"{count} features for a queue of {Capacity}: the batch (of all processes together) must divide the queue, "
                    + "so choose another data.batch or another size of the queue"
            );
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        // On the device throughout, so that nothing waits for it.
        var places = (queuePtr + Torch.Arange(count, device: queue.Device)).Remainder(Capacity);
        queue.IndexCopy_(1, places, features.Detach().To(queue.DType).MT);
        queuePtr.Copy_((queuePtr + count).Remainder(Capacity));
        filled.Copy_((filled + count).ClampMax(Capacity));
    }
}
