namespace Tessera.Training;

/// <summary>Speed of training, smoothed over some fifty steps, and the time that is left.</summary>
internal sealed class Pace
{
    private const double Memory = 0.98;
    private double seconds, samples, weight, taken;

    internal double EvaluationSeconds { get; private set; }

    internal void Step(TimeSpan time, long count)
    {
        seconds = Memory * seconds + time.TotalSeconds;
        samples = Memory * samples + count;
        weight = Memory * weight + 1;
        taken += time.TotalSeconds;
    }

    /// <summary>Seconds of steps since this was asked last.</summary>
    internal double TakeSeconds()
    {
        var result = taken;
        taken = 0;
        return result;
    }

    internal void Evaluation(TimeSpan time) => EvaluationSeconds = time.TotalSeconds;

    internal double ImagesPerSecond => seconds == 0 ? 0 : samples / seconds;

    internal TimeSpan Remaining(long steps, int evaluations)
        => TimeSpan.FromSeconds((weight == 0 ? 0 : seconds / weight * steps) + EvaluationSeconds * evaluations);
}
