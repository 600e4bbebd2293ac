using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Hosting;

/// <summary>
/// The features of images as embeddings, by the contract of Microsoft.Extensions.AI: of an <see cref="Image"/>, or of
/// <see cref="DataContent"/> of a media type <c>image/*</c>. Any number of threads may call it at once.
/// </summary>
/// <param name="predictor">Computes them; whoever made it disposes of it.</param>
public sealed class ImageEmbeddingGenerator(Predictor predictor)
    : IEmbeddingGenerator<Image, Embedding<float>>,
        IEmbeddingGenerator<DataContent, Embedding<float>>
{
    private readonly EmbeddingGeneratorMetadata metadata = new(
        "tessera",
        null,
        predictor.Bundle.Content.Model.Title,
        predictor.EmbeddingSize
    );

    /// <summary>The embeddings of images, in their order.</summary>
    /// <param name="values">The images. They are asked for as their turn comes, so that not all need be in memory at once.</param>
    /// <param name="options">Model and dimensions, where they are given, must be those of the predictor.</param>
    /// <param name="cancellationToken">Ends it before the next image.</param>
    /// <exception cref="DataException">An image cannot be read.</exception>
    /// <exception cref="NotSupportedException">The options ask for another model or another size.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<Image> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(values);
        return GenerateAsync(values.Select(ImageInput.FromImage), options, cancellationToken);
    }

    /// <inheritdoc cref="GenerateAsync(IEnumerable{Image}, EmbeddingGenerationOptions?, CancellationToken)"/>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<DataContent> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(values);
        return GenerateAsync(values.Select(ImageInput.FromContent), options, cancellationToken);
    }

    private async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<ImageInput> images,
        EmbeddingGenerationOptions? options,
        CancellationToken cancellationToken
    )
    {
        Check(options);
        var found = new ConcurrentDictionary<int, Embedding<float>>();
        await Parallel
            .ForEachAsync(
                images.Index(),
                new ParallelOptions { MaxDegreeOfParallelism = predictor.Concurrency, CancellationToken = cancellationToken },
                async (one, cancellation) =>
                    found[one.Index] = new(await predictor.EmbedAsync(one.Item, cancellation).ConfigureAwait(false))
                    {
                        CreatedAt = DateTimeOffset.UtcNow,
                        ModelId = metadata.DefaultModelId,
                    }
            )
            .ConfigureAwait(false);
        return new(Enumerable.Range(0, found.Count).Select(index => found[index]));
    }

    private void Check(EmbeddingGenerationOptions? options)
    {
        if (options?.ModelId is { } model && model != metadata.DefaultModelId)
            throw new NotSupportedException($"the model is {metadata.DefaultModelId}: ModelId cannot be {model}");
        if (options?.Dimensions is { } dimensions && dimensions != predictor.EmbeddingSize)
            throw new NotSupportedException(
                $"embeddings of {metadata.DefaultModelId} have {predictor.EmbeddingSize} dimensions: Dimensions cannot be {dimensions}"
            );
    }

    /// <summary>The predictor, the metadata, or this generator under another of its types; null for everything else.</summary>
    /// <param name="serviceType">The type that is asked for.</param>
    /// <param name="serviceKey">Names one of several; there is none here.</param>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? metadata
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(predictor) ? predictor
            : null;
    }

    /// <summary>Does nothing: the predictor may have other users.</summary>
    public void Dispose() { }
}
