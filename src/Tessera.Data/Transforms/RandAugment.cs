using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// RandAugment in timm's form (Cubuk et al., 2020, arXiv:1909.13719): operations drawn at random, each applied with a probability and at a
/// magnitude that varies.
/// </summary>
/// <param name="Policy">
/// As timm writes it: <c>rand</c> with parts m (magnitude), n (operations), p (probability), mstd, mmax, inc and t3a.
/// </param>
/// <param name="Ops">Operations per image, instead of the policy's.</param>
/// <param name="Magnitude">0 to 10, instead of the policy's.</param>
/// <param name="Deviation">Of the magnitude, instead of the policy's.</param>
/// <param name="Increasing">Operations whose effect grows with the magnitude, instead of the policy's.</param>
/// <param name="Interpolation">Of geometric operations.</param>
public sealed record RandAugment(
    string Policy = "rand-m9-mstd0.5-inc1",
    int? Ops = null,
    double? Magnitude = null,
    double? Deviation = null,
    bool? Increasing = null,
    Interpolation Interpolation = Interpolation.Bicubic
) : ImageTransform
{
    private static readonly string[] plainNames =
    [
        "AutoContrast",
        "Equalize",
        "Invert",
        "Rotate",
        "Posterize",
        "Solarize",
        "SolarizeAdd",
        "Color",
        "Contrast",
        "Brightness",
        "Sharpness",
        "ShearX",
        "ShearY",
        "TranslateXRel",
        "TranslateYRel",
    ];
    private static readonly string[] increasingNames =
    [
        "AutoContrast",
        "Equalize",
        "Invert",
        "Rotate",
        "PosterizeIncreasing",
        "SolarizeIncreasing",
        "SolarizeAdd",
        "ColorIncreasing",
        "ContrastIncreasing",
        "BrightnessIncreasing",
        "SharpnessIncreasing",
        "ShearX",
        "ShearY",
        "TranslateXRel",
        "TranslateYRel",
    ];
    private static readonly (string Name, double Weight)[] weightedNames =
    [
        ("SolarizeIncreasing", 6),
        ("Desaturate", 6),
        ("GaussianBlur", 6),
        ("Rotate", 3),
        ("ShearX", 2),
        ("ShearY", 2),
        ("PosterizeIncreasing", 1),
        ("AutoContrast", 1),
        ("ColorIncreasing", 1),
        ("SharpnessIncreasing", 1),
        ("ContrastIncreasing", 1),
        ("BrightnessIncreasing", 1),
        ("Equalize", 1),
        ("Invert", 1),
    ];

    private readonly AugmentPolicy policy = Check(AugmentPolicy.Parse(Policy));

    /// <summary>The policy with the values that override it.</summary>
    internal AugmentPolicy Effective =>
        policy with
        {
            Operations = Ops ?? policy.Operations,
            Magnitude = Magnitude ?? policy.Magnitude,
            Deviation = Deviation ?? policy.Deviation,
            Increasing = Increasing ?? policy.Increasing,
        };

    /// <summary>Names of the operations that are drawn from.</summary>
    public IReadOnlyList<string> OperationNames =>
        Effective switch
        {
            { Weighted: true } => [.. weightedNames.Select(entry => entry.Name)],
            { Increasing: true } => increasingNames,
            _ => plainNames,
        };

    /// <summary>How often each of <see cref="OperationNames"/> is drawn, relative to the others.</summary>
    public IReadOnlyList<double> OperationWeights =>
        Effective.Weighted ? [.. weightedNames.Select(entry => entry.Weight)] : [.. OperationNames.Select(_ => 1.0)];

    /// <inheritdoc/>
    public override string TrackingObstacle() => "it rotates and shears images";

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var effective = Effective;
        var settings = new OpSettings();
        Span<bool> taken = stackalloc bool[weightedNames.Length];
        for (var i = 0; i < effective.Operations; i++)
        {
            var name = effective.Weighted
                ? DrawWeighted(taken, ref random)
                : (effective.Increasing ? increasingNames : plainNames)[random.Below(plainNames.Length)];
            if (name is null || !random.Chance(effective.Probability))
                continue;
            settings = settings with { Interpolation = Interpolation.Draw(ref random) };
            AugmentPolicy.Apply(LeveledOp.All[name], effective.Draw(effective.Magnitude, ref random), canvas, settings, ref random);
        }
    }

    private static string? DrawWeighted(Span<bool> taken, ref SampleRandom random)
    {
        var total = 0.0;
        for (var i = 0; i < taken.Length; i++)
            total += taken[i] ? 0 : weightedNames[i].Weight;
        var place = random.NextDouble() * total;
        for (var i = 0; i < taken.Length; i++)
        {
            if (taken[i])
                continue;
            place -= weightedNames[i].Weight;
            if (place >= 0)
                continue;
            taken[i] = true;
            return weightedNames[i].Name;
        }
        return null;
    }

    private static AugmentPolicy Check(AugmentPolicy policy) =>
        policy.Name == "rand"
            ? policy
            : throw new DataException(
                $"rand_augment: a policy must start with 'rand', not with '{policy.Name}'; tables are for auto_augment"
            );
}
