using System.Globalization;
using Tessera.Data.Checks;

namespace Tessera.Cli.Rendering;

/// <summary>How far the check of a data set is, with speed and time left, as a line now and then.</summary>
/// <param name="write">Takes the line.</param>
/// <param name="interval">Time between two lines.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class CheckView(Action<string> write, TimeSpan interval, TimeProvider clock) : IProgress<CheckProgress>
{
    private readonly Lock order = new();
    private readonly long begun = clock.GetTimestamp();
    private long? shown;
    private int most;

    // Any thread reports, and not in the order of the figures.
    public void Report(CheckProgress value)
    {
        lock (order)
        {
            var now = clock.GetTimestamp();
            if (value.Done <= most || clock.GetElapsedTime(shown ?? begun, now) < interval)
                return;
            (most, shown) = (value.Done, now);
            var speed = value.Done / clock.GetElapsedTime(begun, now).TotalSeconds;
            write(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{value.Done:N0} of {value.Total:N0} samples ({100L * value.Done / value.Total} %)  {speed:N0}/s  "
                        + $"{Figures.Time(TimeSpan.FromSeconds((value.Total - value.Done) / speed))} left"
                )
            );
        }
    }
}
