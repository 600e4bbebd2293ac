using System.Globalization;
using System.Text.RegularExpressions;
using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>timm's configuration strings, as in <c>rand-m9-mstd0.5-inc1</c> and <c>original-mstd0.5</c>, taken apart.</summary>
/// <param name="Name">The text before the first hyphen.</param>
internal sealed partial record AugmentPolicy(string Name)
{
    /// <summary>Magnitude, 0 to 10 (m).</summary>
    public double Magnitude { get; init; } = 10;

    /// <summary>Operations per image (n).</summary>
    public int Operations { get; init; } = 2;

    /// <summary>Probability of each operation drawn (p).</summary>
    public double Probability { get; init; } = 0.5;

    /// <summary>Standard deviation of the magnitude; infinite for a uniform draw from 0 up to it (mstd, above 100).</summary>
    public double Deviation { get; init; }

    /// <summary>Largest magnitude (mmax).</summary>
    public double MagnitudeLimit { get; init; } = 10;

    /// <summary>Operations whose effect grows with the magnitude (inc, with any value).</summary>
    public bool Increasing { get; init; }

    /// <summary>The weighted set 3a, drawn without replacement (t3a).</summary>
    public bool Weighted { get; init; }

    /// <summary>Takes a string apart.</summary>
    /// <exception cref="DataException">A part that is not understood.</exception>
    public static AugmentPolicy Parse(string text)
    {
        var parts = text.Split('-');
        var result = new AugmentPolicy(parts[0]);
        foreach (var part in parts.Skip(1))
        {
            if (part == "t3a")
            {
                result = result with { Weighted = true };
                continue;
            }
            var match = Entry().Match(part);
            if (!match.Success || !double.TryParse(match.Groups[2].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
                throw Wrong();
            result = match.Groups[1].Value switch
            {
                "m" => result with { Magnitude = value },
                "n" when value is >= 1 and <= 100 && value == Math.Floor(value) => result with { Operations = (int)value },
                "p" when value is >= 0 and <= 1 => result with { Probability = value },
                "mstd" => result with { Deviation = value > 100 ? double.PositiveInfinity : value },
                "mmax" when value > 0 => result with { MagnitudeLimit = value },
                "inc" => result with { Increasing = true },
                _ => throw Wrong(),
            };

            DataException Wrong() =>
                new(
                    $"augmentation policy '{text}': '{part}' is not understood; "
                        + "parts are m, n, p, mstd, mmax and inc with a number, and t3a, as in rand-m9-mstd0.5-inc1"
                );
        }
        return result;
    }

    /// <summary>A magnitude around the given one.</summary>
    internal double Draw(double magnitude, ref SampleRandom random)
    {
        var value =
            Deviation == 0 ? magnitude
            : double.IsInfinity(Deviation) ? random.Uniform(0, magnitude)
            : magnitude + Deviation * random.Normal();
        return Math.Clamp(value, 0, MagnitudeLimit);
    }

    internal static void Apply(LeveledOp op, double magnitude, Canvas canvas, OpSettings settings, ref SampleRandom random)
    {
        var turned = op.Signed && random.Chance(0.5);
        op.Apply(canvas, op.Argument(magnitude, turned, settings), settings, ref random);
    }

    [GeneratedRegex(@"^([a-z]+)(\d+(?:\.\d+)?)$")]
    private static partial Regex Entry();
}
