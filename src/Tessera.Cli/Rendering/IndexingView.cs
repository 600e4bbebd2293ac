using System.Globalization;

namespace Tessera.Cli.Rendering;

/// <summary>How far a description of pictures is.</summary>
/// <param name="Done">Pictures that are done, those that could not be read among them.</param>
/// <param name="All">Pictures in all.</param>
/// <param name="Unreadable">Pictures that could not be read.</param>
internal readonly record struct IndexingProgress(int Done, int All, int Unreadable);

/// <summary>How far a description of pictures is, with throughput and time left, as a line now and then.</summary>
/// <param name="what">What is being done, in a word.</param>
/// <param name="write">Takes the line.</param>
/// <param name="interval">Time between two lines.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class IndexingView(string what, Action<string> write, TimeSpan interval, TimeProvider clock) : IProgress<IndexingProgress>
{
    private readonly long begun = clock.GetTimestamp();
    private long? shown;

    public void Report(IndexingProgress value)
    {
        var now = clock.GetTimestamp();
        if (value.Done < value.All && shown is { } before && clock.GetElapsedTime(before, now) < interval)
            return;
        shown = now;
        var seconds = clock.GetElapsedTime(begun, now).TotalSeconds;
        var speed = seconds > 0 ? value.Done / seconds : 0;
        var rate = speed > 0 ? string.Create(CultureInfo.InvariantCulture, $"  {speed:0} pictures/s") : "";
        var left =
            speed > 0 && value.Done < value.All ? $"  {Figures.Time(TimeSpan.FromSeconds((value.All - value.Done) / speed))} left" : "";
        var bad = value.Unreadable > 0 ? string.Create(CultureInfo.InvariantCulture, $"  {value.Unreadable:N0} cannot be read") : "";
        write(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{what} {value.Done:N0} of {value.All:N0} ({100L * value.Done / Math.Max(value.All, 1)} %){rate}{left}{bad}"
            )
        );
    }
}
