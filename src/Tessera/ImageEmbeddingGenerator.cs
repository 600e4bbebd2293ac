using Microsoft.Extensions.AI;
using Tessera.Data;

namespace Tessera.Hosting;

/// <summary>
/// The features of images as embeddings, by the contract of Microsoft.Extensions.AI: of <see cref="ImageInput"/>, or of
/// <see cref="DataContent"/> of a media type <c>image/*</c>. Any number of threads may call it at once.
/// </summary>
/// <param name="predictor">Computes them; whoever made it disposes of it.</param>
public sealed class ImageEmbeddingGenerator(Predictor predictor)
    : IEmbeddingGenerator<ImageInput, Embedding<float>>,
        IEmbeddingGenerator<DataContent, Embedding<float>>
{
    private readonly EmbeddingGeneratorMetadata metadata = new("tessera", null, predictor.Bundle.Content.Model, predictor.EmbeddingSize);

    /// <summary>The embeddings of images, in their order.</summary>
    /// <param name="values">The images.</param>
    /// <param name="options">Model and dimensions, where they are given, must be those of the predictor.</param>
    /// <param name="cancellationToken">Ends it before the next image.</param>
    /// <exception cref="DataException">An image cannot be read.</exception>
    /// <exception cref="NotSupportedException">The options ask for another model or another size.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<ImageInput> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(values);
        Check(options);
        ImageInput[] images = [.. values];
        var embeddings = new Embedding<float>[images.Length];
        var limits = new ParallelOptions { MaxDegreeOfParallelism = predictor.Concurrency, CancellationToken = cancellationToken };
        await Parallel
            .ForAsync(
                0,
                images.Length,
                limits,
                async (index, cancellation) =>
                    embeddings[index] = new(await predictor.EmbedAsync(images[index], cancellation).ConfigureAwait(false))
                    {
                        CreatedAt = DateTimeOffset.UtcNow,
                        ModelId = metadata.DefaultModelId,
                    }
            )
            .ConfigureAwait(false);
        return new(embeddings);
    }

    /// <inheritdoc cref="GenerateAsync(IEnumerable{ImageInput}, EmbeddingGenerationOptions?, CancellationToken)"/>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<DataContent> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(values);
        return GenerateAsync([.. values.Select(Input)], options, cancellationToken);
    }

    private static ImageInput Input(DataContent content) =>
        content.HasTopLevelMediaType("image")
            ? ImageInput.FromBytes(content.Data, content.Name ?? "image")
            : throw new DataException($"{content.Name ?? "content"}: the media type must be image/*, not {content.MediaType}");

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
