using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Generation;

/// <summary>
/// Compares generated images with the real ones of the batches, which have to be in [0, 1] and not normalised. It generates as many as
/// there are real ones, or a multiple: which ones depends on the positions of the real ones in their data set, so that the same images are
/// measured whatever the batches and the number of processes.
/// </summary>
public sealed class GenerationEvaluator : Evaluator
{
    private readonly Func<IReadOnlyList<long>, Tensor> generate;
    private readonly int perImage;
    private readonly ImageComparison comparison;

    /// <summary>An evaluator that has seen nothing yet.</summary>
    /// <param name="generate">
    /// Gives the images [B, C, H, W] in [0, 1] of the random vectors with these numbers, from 0. A number has to stand for the same vector
    /// each time: which numbers come together depends on batches and processes.
    /// </param>
    /// <param name="embedding">Features and predictions of images.</param>
    /// <param name="options">How they are compared.</param>
    public GenerationEvaluator(
        Func<IReadOnlyList<long>, Tensor> generate,
        FeatureEmbedding embedding,
        GenerationEvaluationOptions? options = null
    )
    {
        this.generate = generate;
        perImage = options?.PerImage ?? 1;
        comparison = new(embedding, options);
    }

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        long[] numbers =
        [
            .. batch.Indices.SelectMany(index => Enumerable.Range(0, perImage).Select(copy => index * (long)perImage + copy)),
        ];
        comparison.Add(new(batch.Inputs, [.. batch.Indices.Select(index => (long)index)]), new(generate(numbers), numbers));
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group) => comparison.Join(group);

    /// <inheritdoc/>
    /// <exception cref="RunException">There are fewer images than dimensions, and that is not allowed.</exception>
    public override GenerationMetrics Measure() => comparison.Measure();
}
