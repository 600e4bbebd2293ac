using Tessera.Data;

namespace Tessera.Training.Tasks.Generation;

/// <summary>Facts about the images that a generator learns to make: they have no classes and are not normalised.</summary>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height of the images in pixels; null when they differ.</param>
/// <param name="Width">Width of the images in pixels; null when they differ.</param>
public sealed record GenerationFacts(int Channels, int? Height, int? Width)
    : ImageFacts([], Channels, Height, Width, Plain(Channels).Mean, Plain(Channels).Deviation)
{
    /// <summary>Images in [0, 1] as they are, which generators make and discriminators look at.</summary>
    /// <param name="channels">Channels of an image.</param>
    internal static Normalization Plain(int channels) => new([.. Enumerable.Repeat(0f, channels)], [.. Enumerable.Repeat(1f, channels)]);

    /// <summary>There is no other mean and deviation for a generator.</summary>
    /// <inheritdoc/>
    public override DataFacts With(Normalization normalization) =>
        throw new RunException("data.mean and data.std must be left out: a generator learns images in [0, 1], which are not normalised");
}
