using Tessera.Training;

namespace Tessera.Search.Costs;

/// <summary>
/// Times of the parts of one kind. A part that was measured has its own time. The others have a sum of their work, each kind of work with
/// a weight of at least 0, times what the measured parts near to them differ from that sum by.
/// </summary>
/// <remarks>
/// The weights minimise the squares of relative errors. The differences, as logarithms, are interpolated by a Gaussian process over the
/// logarithms of the sizes; its reach is the one whose predictions of each part from all others are best.
/// </remarks>
internal sealed class KindLatency
{
    private const int FewestToInterpolate = 12;

    // Shares of the range of all sizes over which parts are alike, and the noise of a measurement over what is to be explained.
    private static readonly double[] reaches = [0.25, 0.5, 1, 2],
        noises = [0.03, 0.3, 1];

    // Beyond what was measured, the sum of the work is taken this far.
    private const double MostBeyond = 2;

    private readonly Dictionary<BlockShape, double> measured;
    private readonly string[] sizes,
        works;
    private readonly (double Low, double High)[] ranges;
    private readonly double[] weights; // of the constant, then of each work
    private readonly double[][] places;
    private readonly double[] residuals; // solved for
    private readonly double reach;

    /// <summary>Fits the measured parts of a kind.</summary>
    /// <param name="entries">At least one.</param>
    internal KindLatency(IReadOnlyList<LatencyEntry> entries)
    {
        measured = entries.ToDictionary(entry => entry.Shape, entry => entry.Ratio);
        var first = entries[0].Shape;
        sizes = [.. first.Sizes.Keys];
        works = [.. first.Work.Keys];
        ranges = [.. sizes.Select(name => (entries.Min(entry => entry.Shape.Sizes[name]), entries.Max(entry => entry.Shape.Sizes[name])))];
        weights = NonNegative.Fit([.. entries.Select(entry => Features(entry.Shape).Select(f => f / entry.Ratio).ToArray())]);
        places = [.. entries.Select(entry => Place(entry.Shape))];
        double[] logs = [.. entries.Select(entry => Math.Log(entry.Ratio / Sum(entry.Shape)))];
        (reach, residuals, HeldOut) = Best(logs);
    }

    /// <summary>Relative errors of the measured parts, each as all others predict it; empty where too few are there to tell.</summary>
    internal IReadOnlyList<double> HeldOut { get; }

    /// <summary>The time of a part as a ratio to the reference.</summary>
    /// <param name="shape">The part.</param>
    /// <exception cref="RunException">Its sizes are far from all that was measured.</exception>
    internal double Predict(BlockShape shape)
    {
        if (measured.TryGetValue(shape, out var known))
            return known;
        foreach (var (name, (low, high)) in sizes.Zip(ranges))
            if (!shape.Sizes.TryGetValue(name, out var size) || size < low / MostBeyond || size > high * MostBeyond)
                throw new RunException(
                    FormattableString.Invariant(
                        $"the table of latencies has {shape.Kind} with {name} from {low} to {high}, which says nothing of {shape}: "
                    ) + "measure the space again"
                );
        return Sum(shape) * Math.Exp(Interpolate(Place(shape)));
    }

    private double[] Features(BlockShape shape) => [1, .. works.Select(name => shape.Work.GetValueOrDefault(name))];

    // Never zero: a logarithm is taken of it.
    private double Sum(BlockShape shape) => Math.Max(Features(shape).Zip(weights, (feature, weight) => feature * weight).Sum(), 1e-12);

    // Logarithms of the sizes, each from 0 to 1 over what was measured.
    private double[] Place(BlockShape shape) =>
        [
            .. sizes.Zip(ranges, (name, range) =>
                range.High > range.Low ? Math.Log(shape.Sizes[name] / range.Low) / Math.Log(range.High / range.Low) : 0
            ),
        ];

    private double Interpolate(double[] at) =>
        residuals.Length == 0 ? 0 : places.Zip(residuals, (place, own) => own * Alike(at, place, reach)).Sum();

    private static double Alike(double[] a, double[] b, double reach) =>
        Math.Exp(-0.5 * a.Zip(b, (x, y) => (x - y) * (x - y)).Sum() / (reach * reach));

    private (double Reach, double[] Residuals, double[] HeldOut) Best(double[] logs)
    {
        (double Reach, double[] Residuals, double[] Errors) best = (1, [], logs);
        if (logs.Length >= FewestToInterpolate)
            foreach (var candidate in reaches)
            foreach (var noise in noises)
            {
                var inverse = Covariance(candidate, noise);
                Symmetric.Invert(inverse);
                double[] solved = [.. inverse.Select(row => row.Zip(logs, (a, b) => a * b).Sum())];
                // What the process without a part predicts for it.
                double[] errors = [.. solved.Select((value, i) => value / inverse[i][i])];
                if (Squares(errors) < Squares(best.Errors))
                    best = (candidate, solved, errors);
            }
        return (
            best.Reach,
            best.Residuals,
            logs.Length >= FewestToInterpolate ? [.. best.Errors.Select(error => Math.Abs(Math.Exp(error) - 1))] : []
        );

        static double Squares(double[] values) => values.Sum(value => value * value);
    }

    private double[][] Covariance(double candidate, double noise) =>
        [.. places.Select((a, i) => places.Select((b, j) => Alike(a, b, candidate) + (i == j ? noise : 0)).ToArray())];
}
