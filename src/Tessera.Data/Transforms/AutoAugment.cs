using System.Collections.Frozen;
using System.Globalization;
using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// AutoAugment (Cubuk et al., 2019, arXiv:1805.09501): one of 25 pairs of operations, each with its own probability and level.
/// </summary>
/// <param name="Policy">
/// Table: <c>imagenet</c>, <c>cifar10</c> or <c>svhn</c> as torchvision has them, <c>v0</c>, <c>v0r</c>, <c>original</c>,
/// <c>originalr</c> or <c>3a</c> as timm has them, the latter with parts such as <c>-mstd0.5</c>.
/// </param>
/// <param name="Interpolation">
/// Of geometric operations; torchvision's tables use nearest and fill with black, timm's bicubic and the mean, unless one is given.
/// </param>
public sealed record AutoAugment(string Policy = "imagenet", Interpolation? Interpolation = null) : ImageTransform
{
    private static readonly FrozenDictionary<string, Entry[][]> tables = new Dictionary<string, Entry[][]>
    {
        ["imagenet"] = Read(AutoAugmentTables.ImageNet),
        ["cifar10"] = Read(AutoAugmentTables.Cifar10),
        ["svhn"] = Read(AutoAugmentTables.Svhn),
        ["v0"] = Read(AutoAugmentTables.V0),
        ["v0r"] = Read(AutoAugmentTables.V0, increasing: true),
        ["original"] = Read(AutoAugmentTables.Original),
        ["originalr"] = Read(AutoAugmentTables.Original, increasing: true),
        ["3a"] = Read(AutoAugmentTables.Three),
    }.ToFrozenDictionary();

    private readonly AugmentPolicy policy = Check(AugmentPolicy.Parse(Policy));

    /// <summary>An operation of a table; torchvision's have no level where the operation takes none.</summary>
    /// <param name="Name">Of the operation.</param>
    /// <param name="Probability">How often it is applied.</param>
    /// <param name="Level">0 to 10, or one of ten bins.</param>
    public sealed record Entry(string Name, double Probability, int? Level);

    /// <summary>The pairs that are drawn from.</summary>
    public IReadOnlyList<IReadOnlyList<Entry>> SubPolicies => tables[policy.Name];

    private bool IsTorchvision => policy.Name is "imagenet" or "cifar10" or "svhn";

    /// <inheritdoc/>
    public override string? TrackingObstacle() =>
        SubPolicies.SelectMany(pair => pair).FirstOrDefault(entry => IsGeometric(entry.Name)) is { } entry
            ? $"its table {policy.Name} has {entry.Name}"
            : null;

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var settings = new OpSettings(
            (Interpolation ?? (IsTorchvision ? Imaging.Interpolation.Nearest : Imaging.Interpolation.Bicubic)).Draw(ref random)
        );
        var table = tables[policy.Name];
        foreach (var (name, probability, level) in table[random.Below(table.Length)])
        {
            if (!random.Chance(probability))
                continue;
            if (IsTorchvision)
                ApplyBinned(name, level, canvas, settings, ref random);
            else
                AugmentPolicy.Apply(LeveledOp.All[name], policy.Draw(level ?? 0, ref random), canvas, settings, ref random);
        }
    }

    private static void ApplyBinned(string name, int? level, Canvas canvas, OpSettings settings, ref SampleRandom random)
    {
        var image = canvas.Image;
        var (values, signed) = AugmentSpace.Torchvision(name, 10, image.Height, image.Width);
        var magnitude = values is null || level is not { } bin ? 0 : values[bin];
        if (signed && random.Chance(0.5))
            magnitude = -magnitude;
        AugmentSpace.Apply(name, magnitude, canvas, settings.Interpolation);
    }

    private static bool IsGeometric(string name) =>
        name.StartsWith("Rotate", StringComparison.Ordinal)
        || name.StartsWith("Shear", StringComparison.Ordinal)
        || name.StartsWith("Translate", StringComparison.Ordinal);

    private static AugmentPolicy Check(AugmentPolicy policy) =>
        tables.ContainsKey(policy.Name)
            ? policy
            : throw new DataException($"auto_augment: no table '{policy.Name}': there are {string.Join(", ", tables.Keys.Order())}");

    private static Entry[][] Read(string[] lines, bool increasing = false) =>
        Array.ConvertAll(lines, line => Array.ConvertAll(line.Split("; "), text =>
            {
                var parts = text.Split(' ');
                var name = increasing && parts[0].StartsWith("Posterize", StringComparison.Ordinal) ? "PosterizeIncreasing" : parts[0];
                return new Entry(
                    name,
                    double.Parse(parts[1], CultureInfo.InvariantCulture),
                    parts.Length > 2 ? int.Parse(parts[2], CultureInfo.InvariantCulture) : null
                );
            }));
}
