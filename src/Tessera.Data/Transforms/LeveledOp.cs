using System.Collections.Frozen;
using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>Settings of operations beside their level.</summary>
/// <param name="Interpolation">Of geometric operations; not random.</param>
/// <param name="TranslateShare">Largest relative shift, as a share of the side.</param>
/// <param name="TranslatePixels">Largest absolute shift.</param>
internal sealed record OpSettings(
    Interpolation Interpolation = Interpolation.Bicubic,
    double TranslateShare = 0.45,
    double TranslatePixels = 250
);

/// <summary>An operation of RandAugment and AutoAugment in timm's form: a level from 0 to 10 gives its argument.</summary>
internal sealed class LeveledOp
{
    /// <summary>The level at which an effect is fullest.</summary>
    public const double Denominator = 10;

    private delegate void Operation(Canvas canvas, double argument, OpSettings settings, ref SampleRandom random);

    private readonly Func<double, OpSettings, double>? argument;
    private readonly Func<double, OpSettings, double>? negative;
    private readonly Operation apply;

    private LeveledOp(
        string name,
        Operation apply,
        Func<double, OpSettings, double>? argument = null,
        Func<double, OpSettings, double>? negative = null
    ) => (Name, this.apply, this.argument, this.negative) = (name, apply, argument, negative);

    /// <summary>timm's name, as in <c>SolarizeIncreasing</c>.</summary>
    public string Name { get; }

    /// <summary>Whether half of the draws turn the effect around.</summary>
    public bool Signed => negative is not null;

    /// <summary>Whether the level matters.</summary>
    public bool HasArgument => argument is not null;

    /// <summary>The argument at a level.</summary>
    /// <param name="level">0 to 10, and above where a policy allows it.</param>
    /// <param name="turned">For signed operations: the other direction.</param>
    /// <param name="settings">Largest shifts.</param>
    public double Argument(double level, bool turned, OpSettings settings) =>
        turned && negative is not null ? negative(level / Denominator, settings) : argument?.Invoke(level / Denominator, settings) ?? 0;

    /// <summary>Changes the image by an argument; random draws are made by a blur of random radius only.</summary>
    public void Apply(Canvas canvas, double value, OpSettings settings, ref SampleRandom random) =>
        apply(canvas, value, settings, ref random);

    /// <summary>All operations by name.</summary>
    public static IReadOnlyDictionary<string, LeveledOp> All { get; } = Table().ToFrozenDictionary(op => op.Name);

    private static IEnumerable<LeveledOp> Table()
    {
        yield return Plain("AutoContrast", ColorOps.AutoContrast);
        yield return Plain("Equalize", ColorOps.Equalize);
        yield return Plain("Invert", ColorOps.Invert);
        yield return Mirrored(
            "Rotate",
            (l, _) => 30 * l,
            (Canvas c, double v, OpSettings s, ref SampleRandom _) => Affine.Rotate(c, v, s.Interpolation)
        );
        yield return Mirrored("ShearX", (l, _) => 0.3 * l, Geometric((v, _) => Affine.ShearX(v)));
        yield return Mirrored("ShearY", (l, _) => 0.3 * l, Geometric((v, _) => Affine.ShearY(v)));
        yield return Mirrored("TranslateX", (l, s) => l * s.TranslatePixels, Geometric((v, _) => Affine.Translate(v, 0)));
        yield return Mirrored("TranslateY", (l, s) => l * s.TranslatePixels, Geometric((v, _) => Affine.Translate(0, v)));
        yield return Mirrored(
            "TranslateXRel",
            (l, s) => l * s.TranslateShare,
            Geometric((v, image) => Affine.Translate(v * image.Width, 0))
        );
        yield return Mirrored(
            "TranslateYRel",
            (l, s) => l * s.TranslateShare,
            Geometric((v, image) => Affine.Translate(0, v * image.Height))
        );
        yield return new("Posterize", Posterize, (l, _) => (int)(l * 4));
        yield return new("PosterizeIncreasing", Posterize, (l, _) => 4 - (int)(l * 4));
        yield return new("PosterizeOriginal", Posterize, (l, _) => (int)(l * 4) + 4);
        yield return new("Solarize", Solarize, (l, _) => Math.Min(256, (int)(l * 256)));
        yield return new("SolarizeIncreasing", Solarize, (l, _) => 256 - Math.Min(256, (int)(l * 256)));
        yield return new(
            "SolarizeAdd",
            (Canvas c, double v, OpSettings _, ref SampleRandom _) => ColorOps.SolarizeAdd(c.Image, (int)v),
            (l, _) => Math.Min(128, (int)(l * 110))
        );
        foreach (var op in Enhancing("Color", (canvas, factor) => ColorOps.Saturation(canvas.Image, factor)))
            yield return op;
        foreach (var op in Enhancing("Contrast", (canvas, factor) => ColorOps.Contrast(canvas.Image, factor)))
            yield return op;
        foreach (var op in Enhancing("Brightness", (canvas, factor) => ColorOps.Brightness(canvas.Image, factor)))
            yield return op;
        foreach (var op in Enhancing("Sharpness", ColorOps.Sharpness))
            yield return op;
        yield return new(
            "Desaturate",
            (Canvas c, double v, OpSettings _, ref SampleRandom _) => ColorOps.Saturation(c.Image, (float)Math.Clamp(1 - v, 0, 1)),
            (l, _) => 0.5 + 0.5 * l
        );
        yield return new(
            "GaussianBlur",
            (Canvas c, double v, OpSettings _, ref SampleRandom _) => GaussianBlur.Apply(c, (float)v),
            (l, _) => 0.1 + 1.9 * l
        );
        yield return new(
            "GaussianBlurRand",
            (Canvas c, double v, OpSettings _, ref SampleRandom random) => GaussianBlur.Apply(c, (float)random.Uniform(0.1, 2 * v)),
            (l, _) => l
        );
    }

    private static LeveledOp Plain(string name, Action<Raster> change) =>
        new(name, (Canvas canvas, double _, OpSettings _, ref SampleRandom _) => change(canvas.Image));

    private static LeveledOp Mirrored(string name, Func<double, OpSettings, double> argument, Operation apply) =>
        new(name, apply, argument, (level, settings) => -argument(level, settings));

    private static Operation Geometric(Func<double, Raster, Affine> map) =>
        (Canvas canvas, double value, OpSettings settings, ref SampleRandom _) =>
            map(value, canvas.Image).Apply(canvas, settings.Interpolation);

    private static IEnumerable<LeveledOp> Enhancing(string name, Action<Canvas, float> change)
    {
        void Apply(Canvas canvas, double value, OpSettings settings, ref SampleRandom random) => change(canvas, (float)value);
        yield return new(name, Apply, (l, _) => l * 1.8 + 0.1);
        yield return new(name + "Increasing", Apply, (l, _) => Math.Max(0.1, 1 + l * 0.9), (l, _) => Math.Max(0.1, 1 - l * 0.9));
    }

    private static void Posterize(Canvas canvas, double bits, OpSettings settings, ref SampleRandom random) =>
        ColorOps.Posterize(canvas.Image, (int)bits);

    private static void Solarize(Canvas canvas, double threshold, OpSettings settings, ref SampleRandom random) =>
        ColorOps.Solarize(canvas.Image, threshold);
}
