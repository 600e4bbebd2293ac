using System.IO.Enumeration;

namespace Tessera.Models;

/// <summary>All named models: the published ones, and those that a program adds.</summary>
public static class Registry
{
    private static readonly Lock gate = new();

    // Replaced as a whole, so that readers need no lock.
    private static volatile IReadOnlyList<Variant> all =
    [
        .. Vit.Variants,
        .. Deit.Variants,
        .. Sit.Variants,
        .. TinyMimStar.Variants,
        .. Cct.Variants,
        .. TextCct.Variants,
        .. ResNet.Variants,
        .. CifarResNet.Variants,
        .. RegNet.Variants,
        .. EfficientNet.Variants,
        .. NfNet.Variants,
        .. Xcit.Variants,
        .. LvVit.Variants,
        .. DynamicVit.Variants,
        .. Swin.Variants,
        .. Dhvt.Variants,
        .. CvT.Variants,
        .. Cmt.Variants,
        .. HatNet.Variants,
        .. Sret.Variants,
        .. InternImage.Variants,
        .. Mixer.Variants,
        .. ResMlp.Variants,
        .. GMlp.Variants,
        .. Vip.Variants,
        .. S2Mlp.Variants,
        .. CycleMlp.Variants,
        .. AsMlp.Variants,
        .. HireMlp.Variants,
        .. Sot.Variants,
        .. Pvt.Variants,
        .. PvtV2.Variants,
        .. Mit.Variants,
        .. T2tVit.Variants,
        .. Pit.Variants,
        .. ConVit.Variants,
        .. Glit.Variants,
        .. PnasNet.Variants,
        .. Vitas.Variants,
        .. CsWin.Variants,
        .. RevCol.Variants,
        .. VtResNet.Variants,
        .. BootstrapVit.Variants,
        .. AgentCnn.Variants,
        .. GuideResNet.Variants,
    ];

    /// <summary>Every variant of every architecture, in the order of their files; after them, in their order, those that were added.</summary>
    public static IReadOnlyList<Variant> All => all;

    /// <summary>Adds a model of your own: from then on, recipes, bundles and <see cref="Create"/> know it by its name.</summary>
    /// <param name="variant">
    /// The model. <see cref="Variant.Create"/> is to follow the options that it is given: other classes, channels and image sizes.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty, has a wildcard or white space in it, or is taken.</exception>
    public static void Add(Variant variant)
    {
        var name = variant.Name;
        if (name.Length == 0 || name.Any(c => c is '*' or '?' || char.IsWhiteSpace(c) || char.IsControl(c)))
            throw new ArgumentException(
                $"'{name}' cannot be a model's name: a name has at least one character, and no white space and no wildcards",
                nameof(variant)
            );
        lock (gate)
        {
            if (all.FirstOrDefault(other => other.Name == name) is { } taken)
                throw new ArgumentException($"there is a model '{name}' already ({taken.Paper}): choose another name", nameof(variant));
            all = [.. all, variant];
        }
    }

    /// <summary>Variants whose names match a pattern with wildcards (<c>cct_*</c>); a plain text finds names that contain it.</summary>
    public static IEnumerable<Variant> Find(string pattern) =>
        All.Where(v => FileSystemName.MatchesSimpleExpression(pattern.AsSpan().ContainsAny('*', '?') ? pattern : $"*{pattern}*", v.Name));

    /// <summary>The variant of a name.</summary>
    /// <exception cref="UnknownModelException">There is none; the message names the nearest ones.</exception>
    public static Variant Get(string name) =>
        All.FirstOrDefault(v => v.Name == name)
        ?? throw new UnknownModelException(name, [.. Spelling.Nearest(name, All.Select(v => v.Name)).Take(3)]);

    /// <summary>Builds a model by name.</summary>
    /// <exception cref="UnknownModelException">There is none of that name.</exception>
    public static Backbone Create(string name, ModelOptions? options = null) => Get(name).Create(options ?? new());
}

/// <summary>No model has this name.</summary>
public sealed class UnknownModelException(string name, IReadOnlyList<string> nearest)
    : Exception(
        $"unknown model '{name}'; the nearest names are {string.Join(", ", nearest)}; tessera models lists all, and a program adds its own "
            + "by Registry.Add"
    );
