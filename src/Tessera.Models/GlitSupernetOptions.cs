using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>
/// A supernet of GLiT, <c>glit_supernet</c> in recipes: on the first level every block has four candidates, which differ in their global
/// heads; on the second level these are given, and every block has nine candidates of that kind.
/// </summary>
/// <param name="Depth">Blocks; on the second level as many as thirds.</param>
/// <param name="Thirds">Of each block, thirds of the heads that are global; left out on the first level.</param>
/// <param name="Dim">Width of the tokens, a multiple of the heads.</param>
/// <param name="Heads">Heads of a block, a multiple of 3.</param>
/// <param name="Patch">Side of a patch.</param>
public sealed record GlitSupernetOptions(
    [Range(1, 1000)] int Depth = 12,
    IReadOnlyList<int>? Thirds = null,
    [Range(1, 100_000)] int Dim = 192,
    [Range(1, 1000)] int Heads = 3,
    [Range(1, 1024)] int Patch = 16
) : ArchitectureOptions
{
    /// <summary>Of each block, thirds of the heads that are global; null on the first level.</summary>
    public IReadOnlyList<int>? Thirds { get; init; } =
        Thirds switch
        {
            null or [] => null,
            _ when Thirds.Count == Depth && Thirds.All(third => third is >= 0 and <= 3) => Thirds,
            _ => throw new ArgumentException($"thirds must have a number from 0 to 3 for each of the {Depth} blocks"),
        };

    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options) =>
        new Glit(
            (Glit.Config)
                new Glit.Config(
                    options.ImageSize ?? (224, 224),
                    Patch,
                    Dim,
                    Heads,
                    Thirds is null ? Glit.Config.Distributions(Depth) : Glit.Config.Candidates(Thirds)
                ).With(options)
        );
}
