using Tessera.Distributed;

namespace Tessera.Training.Generation;

/// <summary>
/// One side of a comparison, real or generated: mean and covariance of all features, some of the features, and the predictions. Threads
/// may add at once.
/// </summary>
/// <param name="dimension">Numbers of a feature.</param>
/// <param name="options">How much is held.</param>
internal sealed class ImageSet(int dimension, GenerationEvaluationOptions options)
{
    private readonly Lock adding = new();
    private readonly HeldFeatures held = new(options.Held, dimension, options.Seed);

    /// <summary>Mean and covariance of all.</summary>
    internal FeatureStatistics Statistics { get; } = new(dimension);

    /// <summary>Predictions; null where the embedding does not classify, or nothing was added.</summary>
    internal ClassScoreSums? Predictions { get; private set; }

    /// <summary>How many features are held.</summary>
    internal int Held => held.Count;

    /// <summary>The features that are held, [n, D], owned by the current scope.</summary>
    internal Tensor HeldFeatures() => held.ToTensor();

    /// <summary>Takes in images.</summary>
    /// <param name="images">What the embedding makes of them.</param>
    /// <param name="numbers">Their numbers, which are all different.</param>
    internal void Add(EmbeddedImages images, ReadOnlySpan<long> numbers)
    {
        Statistics.Add(images.Features);
        lock (adding)
        {
            held.Add(images.Features, numbers);
            if (images.Logits is not { } logits)
                return;
            Predictions ??= new(options.Splits, (int)logits.Size(1));
            Predictions.Add(logits, numbers);
        }
    }

    /// <summary>Adds what other processes have gathered; all have the same afterwards.</summary>
    internal void Join(ProcessGroup group)
    {
        Statistics.Join(group);
        held.Join(group);
        // A process that none of the images fell to does not know how many classes there are.
        using var scope = new Scope();
        var classes = (int)group.AllGather(Tensor.From<long>([Predictions?.Classes ?? 0])).ToArray<long>().Max();
        if (classes == 0)
            return;
        Predictions ??= new(options.Splits, classes);
        Predictions.Join(group);
    }
}
