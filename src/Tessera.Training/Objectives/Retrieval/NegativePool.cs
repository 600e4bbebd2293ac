using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;

namespace Tessera.Training.Objectives.Retrieval;

/// <summary>
/// Images of a training set, drawn anew from time to time, among which those are found that a model takes for an object that they do not
/// show (Radenovic, Tolias and Chum, 2019, arXiv:1711.02512, section 4.2). As a field of an objective it is saved in checkpoints, so that a
/// training that goes on finds the same images.
/// </summary>
internal sealed partial class NegativePool : Module
{
    private const int ImagesAtATime = 64;

    private readonly ModuleBuffer descriptors; // [P, D]
    private readonly ModuleBuffer indices; // [P], int64: positions in the training set; -1 for an image that cannot be read

    private readonly LoadableDataset data;
    private readonly ClassLabels labels;
    private readonly Pipeline pipeline;
    private readonly UnreadableLimit unreadable;

    /// <summary>An empty pool.</summary>
    /// <param name="context">Training images, their classes and their transforms.</param>
    /// <param name="size">Images at most, at least 1.</param>
    /// <param name="width">Values of a descriptor.</param>
    /// <exception cref="ArgumentException">The training images are not at hand, or have fewer than two classes.</exception>
    internal NegativePool(ObjectiveContext context, int size, int width)
    {
        if (context.Data is not { } given || context.Labels is not { } classes)
            throw new ArgumentException("negatives are looked for among training images with one class each, and there are none");
        if (classes.Labels.Distinct().Take(2).Count() < 2)
            throw new ArgumentException("negatives are images of another class, and the training images have one class");
        (data, labels, unreadable) = (given, classes, context.UnreadableLimit);
        pipeline = new(context.Augment, context.OtherNormalization);
        using var scope = new Scope();
        var count = Math.Min(size, data.Count);
        descriptors = new(Torch.Zeros([count, width]));
        indices = new(Torch.Full([count], -1, DType.Int64));
    }

    /// <summary>Images that there are room for.</summary>
    internal int Size => (int)indices.Size(0);

    /// <summary>Draws other images and describes them.</summary>
    /// <param name="model">The model, whose mode is restored.</param>
    /// <param name="descriptor">Descriptors [B, D] of images.</param>
    internal void Draw(Backbone model, Func<Backbone, Tensor, Tensor> descriptor)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        // By the engine's generator, which checkpoints keep.
        int[] drawn = [.. Torch.Randperm(data.Count, device: indices.Device).Slice(0, 0, Size).ToArray<long>().Select(index => (int)index)];
        indices.Fill_(-1);
        var mode = model.Training;
        model.Eval();
        try
        {
            foreach (var batch in Batches(drawn, ImagesAtATime))
            {
                using var own = new Scope();
                var places = Tensor.From([.. batch.Indices.Select(place => (long)place)]).To(descriptors.Device);
                var found = descriptor(model, batch.Inputs.To(ModuleDevice.Of(model)).To(descriptors.DType));
                descriptors.IndexCopy_(0, places, found.To(descriptors.DType));
                indices.IndexCopy_(0, places, Tensor.From([.. batch.Indices.Select(place => (long)drawn[place])]).To(indices.Device));
            }
        }
        finally
        {
            model.Train(mode);
        }
    }

    /// <summary>
    /// The images that are most like some descriptors and of another class, each of a class of its own; fewer where the pool has fewer
    /// classes.
    /// </summary>
    /// <param name="rows">Descriptors, [T, D].</param>
    /// <param name="classes">Their classes.</param>
    /// <param name="most">Images for each of them at most.</param>
    /// <returns>Positions in the training set, for each row.</returns>
    internal int[][] Hardest(Tensor rows, IReadOnlyList<int> classes, int most)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        using var exact = Torch.Autocast(device: rows.Device.Type, enabled: false);
        var (_, order) = rows.Detach().To(descriptors.DType).Matmul(descriptors.MT).Sort(1, true);
        var (ranked, positions) = (order.ToArray<long>(), indices.ToArray<long>());
        return
        [
            .. classes.Select(
                (own, row) =>
                {
                    var seen = new HashSet<int> { own };
                    return ranked
                        .AsSpan(row * Size, Size)
                        .ToArray()
                        .Select(place => (int)positions[place])
                        .Where(index => index >= 0 && seen.Add(labels.Labels[index]))
                        .Take(most)
                        .ToArray();
                }
            ),
        ];
    }

    /// <summary>Images of the training set, prepared as in training; those that cannot be read are left out.</summary>
    /// <param name="positions">Where they are in the set.</param>
    internal Batch? Read(IReadOnlyList<int> positions) => Batches(positions, positions.Count).FirstOrDefault();

    // Indices of a batch are places in the list.
    private IEnumerable<Batch> Batches(IReadOnlyList<int> positions, int size) =>
        new Loader(
            data.Part(positions),
            pipeline,
            new(size)
            {
                Workers = 0,
                Replacement = Replacement.None,
                UnreadableLimit = unreadable,
            }
        ).Epoch(0);
}
