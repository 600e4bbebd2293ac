namespace Tessera.Training.Loop;

/// <summary>Speed of training, smoothed over some fifty steps, and the time that is left.</summary>
internal sealed class ThroughputMeter
{
    private const double Memory = 0.98;
    private double seconds,
        samples,
        weight,
        taken,
        waited;

    internal double EvaluationSeconds { get; private set; }

    /// <summary>Counts a step.</summary>
    /// <param name="time">Duration of the step.</param>
    /// <param name="forData">Part of the duration that was spent waiting for the loader.</param>
    /// <param name="count">Samples of the step.</param>
    internal void Step(TimeSpan time, TimeSpan forData, long count)
    {
        waited += forData.TotalSeconds;
        seconds = Memory * seconds + time.TotalSeconds;
        samples = Memory * samples + count;
        weight = Memory * weight + 1;
        taken += time.TotalSeconds;
    }

    /// <summary>Seconds of steps since this was asked last, and the share of them in which the step waited for its data.</summary>
    internal (double Seconds, double Waited) Take()
    {
        var result = (taken, taken == 0 ? 0 : waited / taken);
        (taken, waited) = (0, 0);
        return result;
    }

    internal void Evaluation(TimeSpan time) => EvaluationSeconds = time.TotalSeconds;

    internal double ImagesPerSecond => seconds == 0 ? 0 : samples / seconds;

    internal TimeSpan Remaining(long steps, int evaluations) =>
        TimeSpan.FromSeconds((weight == 0 ? 0 : seconds / weight * steps) + EvaluationSeconds * evaluations);
}
