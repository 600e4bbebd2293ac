namespace Tessera.Models;

/// <summary>An architecture that recipes may name.</summary>
/// <param name="Name">As recipes write it: small letters, digits and underscores.</param>
/// <param name="Type">
/// A record that derives from <see cref="ArchitectureOptions"/>; the parameters of its constructor are the fields.
/// </param>
/// <param name="Paper">Title, year and arXiv id; empty for none.</param>
public sealed record ArchitectureKind(string Name, Type Type, string Paper = "") : ModelPartKind(Name, Type, Paper);

/// <summary>
/// Search spaces by the name that recipes use in <c>model.name</c>, with their choices beside it: found networks and supernets, the
/// published ones and those that a program adds.
/// </summary>
public static class Architectures
{
    private const string VitasPaper = "ViTAS: Vision Transformer Architecture Search, 2021, arXiv:2106.13700",
        GlitPaper = "GLiT: Neural Architecture Search for Global and Local Image Transformer, 2021, arXiv:2107.02960",
        BatsPaper = "BATS: Binary ArchitecTure Search, 2020, arXiv:2003.01711";

    private static readonly ModelPartKinds<ArchitectureKind> kinds = new(
        "architecture",
        typeof(ArchitectureOptions),
        [
            new("vitas_network", typeof(VitasNetworkOptions), VitasPaper),
            new("vitas_supernet", typeof(VitasSupernetOptions), VitasPaper),
            new("glit_network", typeof(GlitNetworkOptions), GlitPaper),
            new("glit_supernet", typeof(GlitSupernetOptions), GlitPaper),
            new("bats_network", typeof(BatsNetworkOptions), BatsPaper),
            new("bats_supernet", typeof(BatsSupernetOptions), BatsPaper),
            new("pnas_network", typeof(PnasNetworkOptions), "Progressive Neural Architecture Search, 2018, arXiv:1712.00559"),
        ]
    );

    /// <summary>The published ones; after them, in their order, those that were added.</summary>
    public static IReadOnlyList<ArchitectureKind> All => kinds.All;

    /// <summary>The name by which recipes choose an architecture; that of its type where it was not added.</summary>
    /// <param name="architecture">Its choices.</param>
    public static string NameOf(ArchitectureOptions architecture) => kinds.NameOf(architecture);

    /// <summary>Adds an architecture of your own: from then on, recipes and bundles know it by its name.</summary>
    /// <param name="kind">Name and options.</param>
    /// <exception cref="ArgumentException">
    /// The name is taken, by an architecture, a generator, a head or a model of the registry, or has other characters; or the type is no
    /// record of options.
    /// </exception>
    public static void Add(ArchitectureKind kind) =>
        kinds.Add(
            kind,
            ("a model of the registry", Registry.All.Any(variant => variant.Name == kind.Name)),
            ("a head", Heads.All.Any(head => head.Name == kind.Name)),
            ("a generator", Generators.All.Any(generator => generator.Name == kind.Name))
        );
}
