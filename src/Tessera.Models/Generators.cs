namespace Tessera.Models;

/// <summary>A generator that recipes may name.</summary>
/// <param name="Name">As recipes write it: small letters, digits and underscores.</param>
/// <param name="Type">A record that derives from <see cref="GeneratorOptions"/>; the parameters of its constructor are the fields.</param>
/// <param name="Paper">Title, year and arXiv id; empty for none.</param>
public sealed record GeneratorKind(string Name, Type Type, string Paper = "") : ModelPartKind(Name, Type, Paper);

/// <summary>All generators of images by the name that recipes use: the published ones, and those that a program adds.</summary>
public static class Generators
{
    private static readonly ModelPartKinds<GeneratorKind> kinds = new(
        "generator",
        typeof(GeneratorOptions),
        [
            new("stylegan2_generator", typeof(StyleGan2GeneratorOptions), "StyleGAN2, 2020, arXiv:1912.04958"),
            new("vitgan_generator", typeof(VitGanGeneratorOptions), "ViTGAN, 2021, arXiv:2107.04589"),
        ]
    );

    /// <summary>The published ones; after them, in their order, those that were added.</summary>
    public static IReadOnlyList<GeneratorKind> All => kinds.All;

    /// <summary>The name by which recipes choose a generator; that of its type where it was not added.</summary>
    /// <param name="generator">Its options.</param>
    public static string NameOf(GeneratorOptions generator) => kinds.NameOf(generator);

    /// <summary>Adds a generator of your own: from then on, recipes and bundles know it by its name.</summary>
    /// <param name="kind">Name and options.</param>
    /// <exception cref="ArgumentException">
    /// The name is taken, by a generator, a head, an architecture or a model of the registry, or has other characters; or
    /// the type is no record of options.
    /// </exception>
    public static void Add(GeneratorKind kind) =>
        kinds.Add(
            kind,
            ("a model of the registry", Registry.All.Any(variant => variant.Name == kind.Name)),
            ("a head", Heads.All.Any(head => head.Name == kind.Name)),
            ("an architecture", Architectures.All.Any(architecture => architecture.Name == kind.Name))
        );
}
