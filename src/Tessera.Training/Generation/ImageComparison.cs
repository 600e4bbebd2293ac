using Tessera.Distributed;

namespace Tessera.Training.Generation;

/// <summary>Images with the numbers that they have in their set, by which some are drawn.</summary>
/// <param name="Images">[B, C, H, W] in [0, 1].</param>
/// <param name="Numbers">B numbers from 0, all different in a set.</param>
public sealed record NumberedImages(Tensor Images, IReadOnlyList<long> Numbers);

/// <summary>
/// Gathers real and generated images batch by batch, and compares them. Mean and covariance are gathered without holding features; the
/// memory for the rest is bounded by <see cref="GenerationEvaluationOptions.Held"/>. Threads may add batches at once.
/// </summary>
public sealed class ImageComparison
{
    private readonly FeatureEmbedding embedding;
    private readonly GenerationEvaluationOptions options;
    private readonly ImageSet real,
        generated;

    /// <summary>A comparison that has seen nothing yet.</summary>
    /// <param name="embedding">Features and predictions of images.</param>
    /// <param name="options">How they are compared.</param>
    public ImageComparison(FeatureEmbedding embedding, GenerationEvaluationOptions? options = null)
    {
        (this.embedding, this.options) = (embedding, options ?? new());
        (real, generated) = (new(embedding.Facts.Dimension, this.options), new(embedding.Facts.Dimension, this.options));
    }

    /// <summary>Takes in images. Where the embedding fails, as for lack of memory, nothing has been taken in.</summary>
    /// <param name="real">Real images; null for none.</param>
    /// <param name="generated">Generated images; null for none.</param>
    /// <exception cref="ShapeException">The embedding cannot take such images.</exception>
    public void Add(NumberedImages? real, NumberedImages? generated)
    {
        using var scope = new Scope();
        var made = generated is null ? null : embedding.Of(Pixels(generated.Images));
        var given =
            real is null ? null
            : options.Cache is { } cache ? cache.Of(Pixels(real.Images), embedding)
            : embedding.Of(Pixels(real.Images)) with { Logits = null };
        if (made is not null)
            this.generated.Add(made, [.. generated!.Numbers]);
        if (given is not null)
            this.real.Add(given, [.. real!.Numbers]);
    }

    private Tensor Pixels(Tensor images) => options.Quantize ? EightBits.Round(images) : images;

    /// <summary>Adds what other processes have gathered; all have the same afterwards.</summary>
    /// <param name="group">The processes.</param>
    public void Join(ProcessGroup group)
    {
        real.Join(group);
        generated.Join(group);
    }

    /// <summary>All figures of the images so far; what the cache has learnt is saved.</summary>
    /// <exception cref="InvalidOperationException">There are no real images.</exception>
    /// <exception cref="RunException">
    /// There are fewer images than dimensions, and that is not allowed; or there are fewer than 2 of a kind.
    /// </exception>
    public GenerationMetrics Measure()
    {
        options.Cache?.Save();
        return GenerationMetrics.Of(real, generated, embedding.Facts, options);
    }
}
