namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>The samples by the score of one class, the highest first; samples of the same score make one step.</summary>
internal sealed class RankedLabels
{
    /// <summary>All samples with a score of at least that of a step.</summary>
    /// <param name="Score">Score of the class at this step.</param>
    /// <param name="Chosen">Number of samples with this score or a higher one.</param>
    /// <param name="Right">Number of these samples that have the class.</param>
    internal readonly record struct Step(float Score, int Chosen, int Right);

    private readonly List<Step> steps = [];

    /// <summary>Ranks samples by their scores.</summary>
    /// <param name="scores">Score of the class per sample; NaN comes last. The array is sorted in place.</param>
    /// <param name="present">Whether the class is present, per sample. The array is sorted along.</param>
    internal RankedLabels(float[] scores, bool[] present)
    {
        Array.Sort(scores, present);
        for (var i = scores.Length - 1; i >= 0; i--)
        {
            Positives += present[i] ? 1 : 0;
            if (i == 0 || scores[i - 1].CompareTo(scores[i]) != 0)
                steps.Add(new(scores[i], scores.Length - i, Positives));
        }
    }

    /// <summary>Number of samples with the class.</summary>
    internal int Positives { get; }

    /// <summary>All steps, from the highest score to the lowest.</summary>
    internal IReadOnlyList<Step> Steps => steps;

    /// <summary>
    /// Area under the steps of precision over recall: the sum of precision times what a step adds to recall, without interpolation, as
    /// scikit-learn's <c>average_precision_score</c>. The class must be present in some sample.
    /// </summary>
    internal double AveragePrecision()
    {
        var (area, before) = (0.0, 0);
        foreach (var step in steps)
        {
            area += (step.Right - before) * (step.Right / (double)step.Chosen);
            before = step.Right;
        }
        return area / Positives;
    }

    /// <summary>The largest precision at a recall of at least 0, 1 / (count - 1), ..., 1.</summary>
    internal double[] PrecisionAtRecall(int count)
    {
        var result = new double[count];
        var (best, next) = (0.0, count - 1);
        for (var i = steps.Count - 1; i >= 0; i--)
        {
            var recall = steps[i].Right / (double)Positives;
            for (; next >= 0 && next > recall * (count - 1) + 1e-9; next--)
                result[next] = best;
            best = Math.Max(best, steps[i].Right / (double)steps[i].Chosen);
        }
        result.AsSpan(0, next + 1).Fill(best);
        return result;
    }

    /// <summary>The samples that a threshold chooses: all with at least this probability.</summary>
    /// <param name="threshold">Threshold of the probability, in [0, 1].</param>
    internal Step At(double threshold)
    {
        // The last step whose probability is high enough.
        var (low, high) = (0, steps.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (MultiLabelEvaluator.Probability(steps[middle].Score) >= threshold)
                low = middle + 1;
            else
                high = middle;
        }
        return low == 0 ? new(float.PositiveInfinity, 0, 0) : steps[low - 1];
    }

    /// <summary>
    /// The threshold of the largest F1, in the middle between two probabilities that occur; of several the highest. The class must be
    /// present in some sample.
    /// </summary>
    internal double BestThreshold()
    {
        var (best, threshold) = (-1.0, 1.0);
        for (var i = 0; i < steps.Count; i++)
        {
            var probability = MultiLabelEvaluator.Probability(steps[i].Score);
            var below = i + 1 < steps.Count ? MultiLabelEvaluator.Probability(steps[i + 1].Score) : 0;
            var f1 = F1(steps[i], Positives);
            // Steps of which the probabilities are equal or no numbers cannot be told apart by a threshold.
            if (!(probability > below) || !(f1 > best))
                continue;
            var middle = (probability + below) / 2;
            (best, threshold) = (f1, middle > below ? middle : probability);
        }
        return threshold;
    }

    /// <summary>Harmonic mean of precision and recall: 2 right / (chosen + positives).</summary>
    internal static double F1(Step step, int positives) => 2.0 * step.Right / (step.Chosen + positives);
}
