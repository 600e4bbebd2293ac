using System.Text.Json.Nodes;

namespace Tessera.Training.Loop;

/// <summary>How much a training computes, beside what the machine can.</summary>
/// <param name="GigaOperations">10^9 floating-point operations that a sample costs, forward and backward.</param>
/// <param name="PeakGflops">Products of matrices, measured, in 10^9 operations a second; null where that is not known.</param>
internal sealed record Arithmetic(double GigaOperations, double? PeakGflops)
{
    /// <summary>Rate of computing in 10^9 operations a second.</summary>
    /// <param name="samplesPerSecond">Measured speed of the training.</param>
    public double Gflops(double samplesPerSecond) => GigaOperations * samplesPerSecond;

    /// <summary>Share of the peak, at most 1: a training that is faster than what was measured has shown a higher peak.</summary>
    /// <param name="samplesPerSecond">Measured speed of the training.</param>
    /// <returns>Null where the peak is not known.</returns>
    public double? Share(double samplesPerSecond) => PeakGflops is > 0 ? Math.Min(1, Gflops(samplesPerSecond) / PeakGflops.Value) : null;

    internal IEnumerable<(string, JsonNode?)> Fields(double samplesPerSecond)
    {
        yield return ("gflops", Math.Round(Gflops(samplesPerSecond), 2));
        if (Share(samplesPerSecond) is { } share)
            yield return ("peak_share", Math.Round(share, 4));
    }
}
