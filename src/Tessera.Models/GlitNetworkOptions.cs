using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>A network of GLiT's search space, <c>glit_network</c> in recipes.</summary>
/// <param name="Thirds">Of each block, thirds of the heads that are global, from 0 to 3.</param>
/// <param name="Details">Of each block, the number of its candidate, from 0 to 8; those of the first level when left out.</param>
/// <param name="Dim">Width of the tokens, a multiple of the heads.</param>
/// <param name="Heads">Heads of a block, a multiple of 3 where a block is both global and local.</param>
/// <param name="Patch">Side of a patch.</param>
public sealed record GlitNetworkOptions(
    IReadOnlyList<int> Thirds,
    IReadOnlyList<int>? Details = null,
    [Range(1, 100_000)] int Dim = 192,
    [Range(1, 1000)] int Heads = 3,
    [Range(1, 1024)] int Patch = 16
) : ArchitectureOptions
{
    /// <summary>Of each block, thirds of the heads that are global, from 0 to 3.</summary>
    public IReadOnlyList<int> Thirds { get; init; } =
        Thirds.All(third => third is >= 0 and <= 3) ? Thirds : throw new ArgumentException("thirds must be numbers from 0 to 3");

    /// <summary>Of each block, the number of its candidate; null for those of the first level.</summary>
    public IReadOnlyList<int>? Details { get; init; } =
        Details switch
        {
            null or [] => null,
            _ when Details.Count == Thirds.Count && Details.All(detail => detail is >= 0 and < Glit.BlockOptions.DetailCount) => Details,
            _ => throw new ArgumentException(
                $"details must have a number from 0 to {Glit.BlockOptions.DetailCount - 1} for each of the {Thirds.Count} blocks"
            ),
        };

    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options) => new Glit(Configure(options));

    /// <summary>Sizes and options of the network.</summary>
    /// <param name="options">What was chosen beside the network.</param>
    public Glit.Config Configure(ModelOptions options) =>
        (Glit.Config)
            new Glit.Config(
                options.ImageSize ?? (224, 224),
                Patch,
                Dim,
                Heads,
                Details is null
                    ? [.. Thirds.Select(third => (IReadOnlyList<Glit.BlockOptions>)[new(third)])]
                    : Glit.Config.Decode(Thirds, Details)
            ).With(options);
}
