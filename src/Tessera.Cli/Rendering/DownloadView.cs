using Tessera.Data;
using Tessera.Data.Downloads;

namespace Tessera.Cli.Rendering;

/// <summary>How far a download is, with throughput and time left, as a line now and then.</summary>
/// <param name="write">Takes the line.</param>
/// <param name="interval">Time between two lines.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class DownloadView(Action<string> write, TimeSpan interval, TimeProvider clock) : IProgress<DownloadProgress>
{
    private string? file;
    private long begun;
    private long bytesAtStart;
    private long shown;

    public void Report(DownloadProgress value)
    {
        var now = clock.GetTimestamp();
        if (value.File != file)
        {
            // What an earlier transfer left behind was not fetched at this speed.
            (file, begun, bytesAtStart, shown) = (value.File, now, value.Done, now);
            write(Describe(value, 0));
            return;
        }
        var complete = value.Done == value.Total;
        if (!complete && clock.GetElapsedTime(shown, now) < interval)
            return;
        shown = now;
        var seconds = clock.GetElapsedTime(begun, now).TotalSeconds;
        write(Describe(value, seconds > 0 ? (value.Done - bytesAtStart) / seconds : 0));
    }

    private static string Describe(DownloadProgress at, double bytesPerSecond)
    {
        var size = at.Total is { } total
            ? $"{Figures.Bytes(at.Done)} of {Figures.Bytes(total)} ({100 * at.Done / Math.Max(total, 1)} %)"
            : Figures.Bytes(at.Done);
        if (bytesPerSecond <= 0)
            return $"{at.File}  {size}";
        var left = at.Total - at.Done is > 0 and var rest
            ? $"  {Figures.Time(TimeSpan.FromSeconds(Math.Min(rest / bytesPerSecond, 360_000)))} left"
            : "";
        return $"{at.File}  {size}  {Figures.Bytes(bytesPerSecond)}/s{left}";
    }
}
