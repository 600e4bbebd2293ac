using System.IO.Enumeration;

namespace Tessera.Models;

/// <summary>All named models.</summary>
public static class Registry
{
    /// <summary>Every variant of every architecture, in the order of their files.</summary>
    public static IReadOnlyList<Variant> All => all;

    private static volatile IReadOnlyList<Variant> all =
    [
        .. Vit.Variants,
        .. Deit.Variants,
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
        .. CsWin.Variants,
        .. RevCol.Variants,
        .. VtResNet.Variants,
        .. BootstrapVit.Variants,
        .. AgentCnn.Variants,
        .. GuideResNet.Variants,
    ];

    /// <summary>Adds a model of your own.</summary>
    /// <param name="variant">The model.</param>
    /// <exception cref="ArgumentException">Another model has the name.</exception>
    public static void Add(Variant variant)
    {
        lock (gate)
            all = all.All(known => known.Name != variant.Name)
                ? [.. all, variant]
                : throw new ArgumentException($"model '{variant.Name}' is there already", nameof(variant));
    }

    private static readonly Lock gate = new();

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
    : Exception($"unknown model '{name}'; the nearest names are {string.Join(", ", nearest)}; tessera models lists all");
