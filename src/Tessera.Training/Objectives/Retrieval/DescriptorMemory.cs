namespace Tessera.Training.Objectives.Retrieval;

/// <summary>
/// Descriptors of past batches with their classes, which a batch is compared with (Wang et al., "Cross-Batch Memory for Embedding
/// Learning", 2020, arXiv:1912.06798). A ring as the authors' code (msight-tech/research-xbm) has it: a batch that would reach beyond the
/// end takes the last places instead, and the next one begins at the first; one that ends exactly at the end leaves the pointer there, so
/// that the next takes the last places again. As a field of an objective it is saved in checkpoints.
/// </summary>
public sealed partial class DescriptorMemory : Module
{
    private readonly ModuleBuffer feats; // [M, D]
    private readonly ModuleBuffer targets; // [M], int64
    private readonly ModuleBuffer ptr; // [1], int64: where the next batch goes
    private readonly ModuleBuffer full; // [1], int64: 1 once the last place was taken

    /// <summary>An empty memory.</summary>
    /// <param name="capacity">Number of descriptors M, at least 1.</param>
    /// <param name="width">Values of a descriptor D, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is below 1.</exception>
    public DescriptorMemory(int capacity, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        using var scope = new Scope();
        feats = new(Torch.Zeros([capacity, width]));
        targets = new(Torch.Zeros([capacity], DType.Int64));
        ptr = new(Torch.Zeros([1], DType.Int64));
        full = new(Torch.Zeros([1], DType.Int64));
    }

    /// <summary>Number of descriptors that it has room for.</summary>
    public int Capacity => (int)feats.Size(0);

    /// <summary>Values of a descriptor.</summary>
    public int Width => (int)feats.Size(1);

    /// <summary>Where the next batch goes.</summary>
    public int Pointer => (int)ptr.ToArray<long>()[0];

    /// <summary>How many descriptors there are.</summary>
    public int Count => full.ToArray<long>()[0] == 1 ? Capacity : Pointer;

    /// <summary>The descriptors that there are, [count, D], as a view; the places of others hold zeros.</summary>
    public Tensor Features => feats.Slice(0, 0, Count);

    /// <summary>Their classes, int64, [count], as a view.</summary>
    public Tensor Labels => targets.Slice(0, 0, Count);

    // A batch takes neighbouring places.
    private (int Start, int Next) Places(long count)
    {
        var at = Pointer;
        return at + count > Capacity ? (Capacity - (int)count, 0) : (at, at + (int)count);
    }

    /// <summary>
    /// The memory as it is once a batch has come in, without taking it in: parts of descriptors, [n, D], with their classes, [n]. A step
    /// that comes to nothing leaves no trace so.
    /// </summary>
    /// <param name="features">Descriptors of the batch, [N, D].</param>
    /// <param name="labels">Their classes, int64, [N].</param>
    /// <exception cref="ShapeException">They are of another width, or more than the memory has room for.</exception>
    public IReadOnlyList<(Tensor Features, Tensor Labels)> With(Tensor features, Tensor labels)
    {
        Check(features, labels);
        var (count, end) = (Count, (int)features.Size(0));
        var start = Places(end).Start;
        (int From, int To)[] places = [(0, Math.Min(start, count)), (start + end, count)];
        return
        [
            .. places
                .Where(kept => kept.From < kept.To)
                .Select(kept => (feats.Slice(0, kept.From, kept.To), targets.Slice(0, kept.From, kept.To))),
            (features, labels),
        ];
    }

    /// <summary>Takes in a batch.</summary>
    /// <param name="features">Descriptors, [N, D]; no gradient flows back to them.</param>
    /// <param name="labels">Their classes, int64, [N].</param>
    /// <exception cref="ShapeException">They are of another width, or more than the memory has room for.</exception>
    public void Enqueue(Tensor features, Tensor labels)
    {
        Check(features, labels);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var count = features.Size(0);
        var (start, next) = Places(count);
        feats.Slice(0, start, start + count).Copy_(features.Detach());
        targets.Slice(0, start, start + count).Copy_(labels);
        ptr.Fill_(next);
        if (start + count == Capacity)
            full.Fill_(1);
    }

    private void Check(Tensor features, Tensor labels)
    {
        if (features.Dim != 2 || features.Size(1) != Width || labels.Shape != new Shape(features.Size(0)))
            throw new ShapeException(
                $"descriptors of shape {features.Shape} with classes {labels.Shape} for a memory of width {Width}: they must be "
                    + $"[N, {Width}] and [N]"
            );
        if (features.Size(0) > Capacity)
            throw new ShapeException($"{features.Size(0)} descriptors for a memory of {Capacity}: a batch must fit into it");
    }
}
