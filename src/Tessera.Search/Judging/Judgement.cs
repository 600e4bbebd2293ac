using System.Globalization;
using Tessera.Search.Statistics;

namespace Tessera.Search.Judging;

/// <summary>The winner beside a network that people have made.</summary>
/// <param name="Name">The other network.</param>
/// <param name="Gain">Score of the winner above its own, in the direction that is better.</param>
/// <param name="Interval">Of the gain; null for a single run each, which shows no spread.</param>
public sealed record HandMadeComparison(string Name, double Gain, Interval? Interval);

/// <summary>What training from scratch says of a search.</summary>
/// <param name="Score">Name of the score.</param>
/// <param name="HigherIsBetter">Its direction.</param>
/// <param name="Networks">Winner, random networks, networks made by hand; all trained alike.</param>
/// <param name="SearchCoreHours">Core-hours of the search.</param>
public sealed record Judgement(string Score, bool HigherIsBetter, IReadOnlyList<JudgedNetwork> Networks, double SearchCoreHours)
{
    private const int LeastForTau = 3;

    private JudgedNetwork Best => Networks.First(one => one.Role == NetworkRole.Winner);

    private JudgedNetwork[] Drawn => [.. Networks.Where(one => one.Role == NetworkRole.Random)];

    // Networks with both scores: the random ones alone. The winner was chosen by the first score, which would bend the relation.
    private (double[] Supernet, double[] Alone) Pairs
    {
        get
        {
            JudgedNetwork[] both = [.. Drawn.Where(one => one.SupernetScore is not null)];
            return ([.. both.Select(one => one.SupernetScore!.Value)], [.. both.Select(one => Upwards(one.Score))]);
        }
    }

    private double Upwards(double score) => HigherIsBetter ? score : -score;

    /// <summary>
    /// Kendall's tau of the supernet's scores with those from scratch, over the random networks; null without such scores.
    /// </summary>
    public double? Tau => Pairs.Alone.Length < LeastForTau ? null : Known(RankCorrelation.Kendall(Pairs.Supernet, Pairs.Alone));

    /// <summary>Its interval.</summary>
    public Interval? TauInterval => Tau is null ? null : Interval.OfPairs(Pairs.Supernet, Pairs.Alone, RankCorrelation.Kendall);

    /// <summary>Spearman's rho of the same.</summary>
    public double? Spearman => Pairs.Alone.Length < LeastForTau ? null : Known(RankCorrelation.Spearman(Pairs.Supernet, Pairs.Alone));

    /// <summary>Mean score of the winner.</summary>
    public double WinnerScore => Best.Score;

    /// <summary>Mean score of the random networks.</summary>
    public double RandomMean => Drawn.Average(one => one.Score);

    /// <summary>Its interval, over the networks that might have been drawn.</summary>
    public Interval? RandomMeanInterval => Interval.OfMean([.. Drawn.Select(one => one.Score)]);

    /// <summary>Best score of a random network.</summary>
    public double RandomBest => HigherIsBetter ? Drawn.Max(one => one.Score) : Drawn.Min(one => one.Score);

    /// <summary>The winner's score above the mean of the random networks, in the direction that is better.</summary>
    public double Gain => Upwards(WinnerScore) - Upwards(RandomMean);

    /// <summary>Its interval.</summary>
    public Interval? GainInterval => Interval.OfGain([.. Best.Scores.Select(Upwards)], [.. Drawn.Select(one => Upwards(one.Score))]);

    /// <summary>Place of the winner among the random networks, from 1.</summary>
    public int WinnerPlace => 1 + Drawn.Count(one => Upwards(one.Score) > Upwards(WinnerScore));

    /// <summary>Core-hours of all trainings from scratch.</summary>
    public double JudgeCoreHours => Networks.Sum(one => one.CoreHours);

    /// <summary>The winner beside each network that people have made.</summary>
    public IReadOnlyList<HandMadeComparison> HandMade =>
        [
            .. Networks
                .Where(one => one.Role == NetworkRole.HandMade)
                .Select(other => new HandMadeComparison(
                    other.Name,
                    Upwards(WinnerScore) - Upwards(other.Score),
                    Best.Scores.Count < 2 || other.Scores.Count < 2
                        ? null
                        : Interval.OfGain([.. Best.Scores.Select(Upwards)], [.. other.Scores.Select(Upwards)])
                )),
        ];

    /// <summary>Whether the search beat chance, in one sentence: only its interval may say so.</summary>
    public string Verdict
    {
        get
        {
            var found = string.Create(
                CultureInfo.InvariantCulture,
                $"its winner is {Math.Abs(Gain):0.0000} {(Gain < 0 ? "below" : "above")} the mean of {Drawn.Length} random networks, place "
                    + $"{WinnerPlace} of {Drawn.Length + 1}"
            );
            return GainInterval switch
            {
                { Low: > 0 } interval => $"The search beat chance: {found} ({Text(interval)}).",
                { High: < 0 } interval => $"The search did worse than chance: {found} ({Text(interval)}).",
                { } interval => $"Whether the search beat chance is not shown: {found} ({Text(interval)}, which holds 0).",
                null => $"Whether the search beat chance is not shown: {found}, which are too few.",
            };
        }
    }

    /// <summary>An interval for people.</summary>
    /// <param name="interval">The interval.</param>
    internal static string Text(Interval interval) =>
        string.Create(CultureInfo.InvariantCulture, $"95 % interval by {interval.By}: {interval.Low:0.0000} to {interval.High:0.0000}");

    // Where all are equal, there is no order.
    private static double? Known(double value) => double.IsFinite(value) ? value : null;
}
