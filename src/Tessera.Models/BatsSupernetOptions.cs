using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>The network that BATS searches with, <c>bats_supernet</c> in recipes.</summary>
/// <param name="Width">Channels of a node in the first cells, a multiple of the groups and of those that are shuffled.</param>
/// <param name="Layers">Number of cells, at least 3.</param>
/// <param name="Groups">Groups of a convolution's channels that do not mix.</param>
/// <param name="ShuffleGroups">Groups whose channels are interleaved after a convolution.</param>
/// <param name="Bits">
/// What has one bit: activations (the default), real, or binary, where the scale of a channel is the mean size of its weights.
/// </param>
/// <param name="Temperature">T of the softmax over operations, above 0; 1 is DARTS, and less lets an operation win early.</param>
public sealed record BatsSupernetOptions(
    [Range(1, 100_000)] int Width = 24,
    [Range(3, 1000)] int Layers = 8,
    [Range(1, 10_000)] int Groups = 12,
    [Range(1, 10_000)] int ShuffleGroups = 4,
    BatsBits Bits = BatsBits.Activations,
    [Range(1e-3, 1e3)] double Temperature = 0.2
) : ArchitectureOptions
{
    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options) =>
        new BatsSupernet(
            new BatsSupernet.Config(
                options.ImageSize ?? (32, 32),
                Width,
                Layers,
                options.Classes ?? 10,
                options.Channels ?? 3,
                new(Groups, ShuffleGroups, Bits.OfSupernet(), AffineNorms: false),
                Temperature
            )
        );
}
