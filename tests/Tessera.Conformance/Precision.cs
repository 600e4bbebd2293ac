namespace Tessera.Conformance;

/// <summary>What a golden file is run in and how near the recorded values have to be.</summary>
/// <param name="Name">As it is printed.</param>
/// <param name="Real">Type of weights and inputs.</param>
/// <param name="Short">The type that products and convolutions run in under autocast; null without.</param>
/// <param name="Unit">How far apart neighbouring numbers are.</param>
/// <param name="Tolerance">Of outputs: a share of the largest recorded value, or of 1 where that is smaller.</param>
/// <param name="GradientTolerance">Of the l2 of gradients, a share of it.</param>
/// <param name="Absolute">Of what is zero in theory.</param>
/// <remarks>
/// No tolerance is widened to make a file pass. In float32 there is one waiver: a file that passes in float64 is excused where
/// rounding explains every difference (<see cref="GoldenRun.IsRounding"/>), of at most <see cref="MostExcused"/> files.
/// </remarks>
internal sealed record Precision(
    string Name,
    DType Real,
    DType? Short,
    double Unit,
    double Tolerance,
    double GradientTolerance,
    double Absolute
)
{
    public static readonly Precision Float64 = new("float64", DType.Float64, null, Math.Pow(2, -52), 1e-8, 1e-8, 1e-8);
    public static readonly Precision Float32 = new("float32", DType.Float32, null, Math.Pow(2, -23), 1e-4, 1e-3, 1e-5);

    /// <summary>Numbers of 8 bits: the tolerance says that nothing is broken, not that it is right; float32 and float64 say that.</summary>
    public static readonly Precision BFloat16 = new("bf16", DType.Float32, DType.BFloat16, Math.Pow(2, -7), 0.05, 0.1, 1e-2);

    /// <summary>
    /// How many of this repository's golden files may be excused in float32 (<see cref="GoldenRun.IsRounding"/>): beyond the
    /// tolerances there by no more than rounding, they are judged in float64 alone. The runner fails when more are.
    /// It is the number that there are: raise it only with a new file that is shown to be ill-conditioned, lower it where it can be.
    /// </summary>
    public const int MostExcused = 15;

    /// <summary>In float64, files of which the reference was computed or rounded in float32.</summary>
    public Precision Narrow => this == Float64 ? this with { Tolerance = 1e-6, GradientTolerance = 1e-6, Absolute = 1e-6 } : this;
}
