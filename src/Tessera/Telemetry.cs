using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Tessera.Hosting;

/// <summary>
/// Names under which a <see cref="Predictor"/> tells how it fares: those of a meter with its instruments and of a source of activities.
/// Every measurement has the tags <see cref="ModelTag"/> and <see cref="OperationTag"/>.
/// </summary>
public static class Telemetry
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Tessera";

    /// <summary>Name of the source of activities, one for each call.</summary>
    public const string ActivitySourceName = "Tessera";

    /// <summary>Counter of the calls that were answered.</summary>
    public const string Predictions = "tessera.predictions";

    /// <summary>Counter of the calls that failed, with the tag <see cref="ErrorTag"/>. Cancelled calls count nowhere.</summary>
    public const string Failures = "tessera.failures";

    /// <summary>Counter of the images that were decoded.</summary>
    public const string ImagesDecoded = "tessera.images.decoded";

    /// <summary>Histogram of the seconds from a call to its answer, waiting included.</summary>
    public const string Duration = "tessera.prediction.duration";

    /// <summary>Histogram of the seconds that a call waited for its turn.</summary>
    public const string WaitingTime = "tessera.queue.duration";

    /// <summary>Number of calls that wait for their turn.</summary>
    public const string QueueLength = "tessera.queue.length";

    /// <summary>Tag with the name of the model.</summary>
    public const string ModelTag = "tessera.model";

    /// <summary>Tag with the kind of call: <c>predict</c> or <c>embed</c>.</summary>
    public const string OperationTag = "tessera.operation";

    /// <summary>Tag with the type of an error.</summary>
    public const string ErrorTag = "error.type";

    internal static readonly ActivitySource Activities = new(ActivitySourceName);
}

/// <summary>The instruments of one predictor.</summary>
internal sealed class PredictorMetrics : IDisposable
{
    // From a millisecond, which the smallest models take, to the time after which clients give up.
    private static readonly InstrumentAdvice<double> seconds = new()
    {
        HistogramBucketBoundaries = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
    };

    private readonly string model;
    private readonly Meter? own;
    private readonly Counter<long> predictions;
    private readonly Counter<long> failures;
    private readonly Counter<long> decoded;
    private readonly Histogram<double> duration;
    private readonly Histogram<double> waitingTime;
    private readonly UpDownCounter<long> waiting;

    internal PredictorMetrics(string model, IMeterFactory? factory)
    {
        this.model = model;
        // A factory's meters are the factory's.
        var meter = factory?.Create(new MeterOptions(Telemetry.MeterName)) ?? (own = new(Telemetry.MeterName));
        predictions = meter.CreateCounter<long>(Telemetry.Predictions, "{prediction}", "Calls that were answered.");
        failures = meter.CreateCounter<long>(Telemetry.Failures, "{failure}", "Calls that failed.");
        decoded = meter.CreateCounter<long>(Telemetry.ImagesDecoded, "{image}", "Images that were decoded.");
        duration = meter.CreateHistogram(Telemetry.Duration, "s", "Time from a call to its answer.", [], seconds);
        waitingTime = meter.CreateHistogram(Telemetry.WaitingTime, "s", "Time that a call waited for its turn.", [], seconds);
        waiting = meter.CreateUpDownCounter<long>(Telemetry.QueueLength, "{call}", "Calls that wait for their turn.");
    }

    internal void Queued(string operation) => waiting.Add(1, Tags(operation));

    internal void Left(string operation) => waiting.Add(-1, Tags(operation));

    internal void Waited(string operation, TimeSpan time) => waitingTime.Record(time.TotalSeconds, Tags(operation));

    internal void Decoded(string operation) => decoded.Add(1, Tags(operation));

    internal void Answered(string operation, TimeSpan time)
    {
        predictions.Add(1, Tags(operation));
        duration.Record(time.TotalSeconds, Tags(operation));
    }

    internal void Failed(string operation, Exception error)
    {
        var tags = Tags(operation);
        tags.Add(Telemetry.ErrorTag, error.GetType().FullName);
        failures.Add(1, tags);
    }

    private TagList Tags(string operation) => new() { { Telemetry.ModelTag, model }, { Telemetry.OperationTag, operation } };

    public void Dispose() => own?.Dispose();
}
