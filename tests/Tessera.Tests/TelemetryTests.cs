using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Tessera.Data;
using Tessera.Training;

namespace Tessera.Hosting.Tests;

[Collection(TrainedRunGroup.Name)]
public sealed class TelemetryTests(TrainedRun run)
{
    private static readonly ServiceProvider metrics = new ServiceCollection().AddMetrics().BuildServiceProvider();

    private static IMeterFactory Meters => metrics.GetRequiredService<IMeterFactory>();

    private static MetricCollector<T> Collect<T>(string instrument)
        where T : struct => new(Meters, Telemetry.MeterName, instrument);

    [Fact]
    public async Task Every_call_is_measured()
    {
        var name = $"measured {Guid.NewGuid()}";
        using var predictions = Collect<long>(Telemetry.Predictions);
        using var failures = Collect<long>(Telemetry.Failures);
        using var decoded = Collect<long>(Telemetry.ImagesDecoded);
        using var duration = Collect<double>(Telemetry.Duration);
        using var waited = Collect<double>(Telemetry.WaitingTime);
        using var queue = Collect<long>(Telemetry.QueueLength);
        using (var predictor = new Predictor(new() { Run = run.Path }, meters: Meters, name: name))
        {
            var (file, _) = run.TestPhotos[0];
            await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => predictor.PredictAsync(file)));
            await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => predictor.EmbedAsync(file)));
            await Assert.ThrowsAsync<UnreadableImageException>(() => predictor.PredictAsync("no image"u8.ToArray()));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => predictor.PredictAsync(file, new(canceled: true)));
        }
        Assert.Equal((10, 3), (Sum(predictions, "predict"), Sum(predictions, "embed")));
        Assert.Equal((10, 3), (Sum(decoded, "predict"), Sum(decoded, "embed")));
        Assert.Equal((1, 0), (Sum(failures, "predict"), Sum(failures, "embed")));
        Assert.Equal(typeof(UnreadableImageException).FullName, Assert.Single(failures.GetMeasurementSnapshot()).Tags[Telemetry.ErrorTag]);
        Assert.Equal((10, 3), (Of(duration, "predict").Length, Of(duration, "embed").Length));
        // The image that could not be read waited, too.
        Assert.Equal((11, 3), (Of(waited, "predict").Length, Of(waited, "embed").Length));
        Assert.All(Of(duration, "predict"), one => Assert.True(one.Value > 0));
        Assert.Equal((0, 0), (Sum(queue, "predict"), Sum(queue, "embed")));
        Assert.All(queue.GetMeasurementSnapshot(), one => Assert.Equal(name, one.Tags[Telemetry.ModelTag]));

        static CollectedMeasurement<T>[] Of<T>(MetricCollector<T> collector, string operation)
            where T : struct =>
            [.. collector.GetMeasurementSnapshot().Where(one => one.Tags[Telemetry.OperationTag] as string == operation)];

        static long Sum(MetricCollector<long> collector, string operation) => Of(collector, operation).Sum(one => one.Value);
    }

    [Fact]
    public void Without_a_factory_the_meter_is_its_own_and_goes_with_it()
    {
        using var collector = new MetricCollector<long>(null, Telemetry.MeterName, Telemetry.Predictions);
        List<Instrument> gone = [];
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) => listener.EnableMeasurementEvents(instrument),
            MeasurementsCompleted = (instrument, _) => gone.Add(instrument),
        };
        listener.Start();
        using (var predictor = new Predictor(new() { Run = run.Path }))
            predictor.Predict(run.TestPhotos[0].File);
        Assert.Equal(1, Assert.Single(collector.GetMeasurementSnapshot()).Value);
        Assert.Contains(gone, instrument => instrument.Meter.Name == Telemetry.MeterName && instrument.Name == Telemetry.Predictions);
    }

    [Fact]
    public async Task Every_call_is_an_activity_of_its_caller()
    {
        List<Activity> ended = [];
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Telemetry.ActivitySourceName,
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                lock (ended)
                    ended.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var predictor = new Predictor(new() { Run = run.Path }, name: "photos");
        using var caller = new Activity("request").Start();
        await predictor.PredictAsync(run.TestPhotos[0].File);
        await Assert.ThrowsAsync<UnreadableImageException>(() => predictor.EmbedAsync("no image"u8.ToArray()));
        Assert.Equal(["predict photos", "embed photos"], ended.Select(activity => activity.DisplayName));
        Assert.All(ended, activity => Assert.Equal(caller.SpanId, activity.ParentSpanId));
        Assert.Equal([ActivityStatusCode.Unset, ActivityStatusCode.Error], ended.Select(activity => activity.Status));
        Assert.Equal("photos", ended[0].GetTagItem(Telemetry.ModelTag));
    }

    [Fact]
    public async Task Loading_compiling_and_failures_are_logged()
    {
        var logger = new FakeLogger<Predictor>();
        using (
            var predictor = new Predictor(
                new()
                {
                    Run = run.Path,
                    Threads = 1,
                    Concurrency = 2,
                },
                logger,
                name: "photos"
            )
        )
            await Assert.ThrowsAsync<UnreadableImageException>(() => predictor.PredictAsync("no image"u8.ToArray()));
        var records = logger.Collector.GetSnapshot();
        Assert.Equal([LogLevel.Information, LogLevel.Information, LogLevel.Information, LogLevel.Debug], records.Select(one => one.Level));
        Assert.StartsWith("photos: loaded cct_2_3x2_32 with ", records[0].Message, StringComparison.Ordinal);
        Assert.EndsWith(" ms, 3 classes", records[0].Message, StringComparison.Ordinal);
        Assert.StartsWith("photos: logits compiled in ", records[1].Message, StringComparison.Ordinal);
        Assert.EndsWith(" in float32, 1 threads an image", records[1].Message, StringComparison.Ordinal);
        Assert.Equal("photos: 2 images at once", records[2].Message);
        Assert.IsType<UnreadableImageException>(records[3].Exception);
    }

    [Fact]
    public void Events_of_a_training_go_to_a_log_at_their_levels()
    {
        var logger = new FakeLogger();
        logger.ControlLevel(LogLevel.Debug, enabled: false);
        foreach (var happened in run.Events.Append(new StepSkipped(7, 1, "the loss is NaN")))
            logger.LogTraining(happened);
        var records = logger.Collector.GetSnapshot();
        // Steps are progress, which nobody reads here.
        Assert.DoesNotContain(records, one => one.Id.Name == nameof(StepDone));
        Assert.Equal(5, records.Count(one => one.Id.Name == nameof(Evaluated)));
        Assert.All(records.SkipLast(1).Where(one => one.Id.Name == nameof(Evaluated)), one =>
            Assert.StartsWith("epoch ", one.Message, StringComparison.Ordinal)
        );
        Assert.Equal((LogLevel.Warning, "step 7 was skipped (1 in a row): the loss is NaN"), (records[^1].Level, records[^1].Message));
        Assert.Contains(records, one => one is { Level: LogLevel.Information, Id.Name: nameof(CheckpointWritten) });
    }
}
