using System.Diagnostics;
using System.Text.Json.Nodes;
using Tessera.Training.Runs;

namespace Tessera.Training.Loop;

/// <summary>Measures the model at the end of epochs, with its own weights and with their moving average.</summary>
/// <param name="setup">Objective, evaluator and test batches of the training.</param>
/// <param name="totalEpochs">Epochs of the whole training.</param>
/// <param name="ema">The moving average of the weights; null where there is none.</param>
/// <param name="workers">The processes that share the samples; null for one.</param>
/// <param name="report">Receives the progress of a measurement.</param>
internal sealed class Validation(TrainingSetup setup, int totalEpochs, Ema? ema, Workers? workers, Action<TrainingEvent> report)
{
    /// <summary>The last measurement of the weights in this process.</summary>
    internal Metrics? Last { get; private set; }

    /// <summary>The last measurement of the moving average of the weights in this process.</summary>
    internal Metrics? LastEma { get; private set; }

    /// <summary>Whether a measurement follows so many epochs, the last of which may be cut short by the end of the training.</summary>
    internal bool IsDueAfter(long epochs) =>
        setup.Test is not null && (epochs == totalEpochs || (setup.EvaluateEvery > 0 && epochs % setup.EvaluateEvery == 0));

    /// <summary>How many measurements are left after so many epochs.</summary>
    internal int Left(long epochs)
    {
        var left = 0;
        for (var epoch = epochs + 1; epoch <= totalEpochs; epoch++)
            left += IsDueAfter(epoch) ? 1 : 0;
        return left;
    }

    /// <summary>Measures the weights and their moving average on the test batches.</summary>
    /// <returns>The time it took; null when it was stopped: it is done again after resuming then.</returns>
    internal TimeSpan? Run(CancellationToken stop)
    {
        var started = Stopwatch.GetTimestamp();
        workers?.BroadcastBuffers();
        try
        {
            Last = Measure(stop);
            ema?.During(() => LastEma = Measure(stop));
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        return Stopwatch.GetElapsedTime(started);
    }

    private Metrics Measure(CancellationToken stop) =>
        Measurement.Run(
            setup.Objective.Model,
            // Of several processes, all stop after the same batch.
            setup.Test!.Epoch(0, stop: workers is null ? stop : default),
            setup.Evaluator!(),
            setup.Options.Precision,
            done => report(new Evaluating(done)),
            workers?.Group,
            stop
        );

    /// <summary>Names of the figures that are infinite or not a number.</summary>
    internal IReadOnlyList<string> NotFinite =>
        [.. Figures().Where(figure => !double.IsFinite(figure.Value)).Select(figure => figure.Name)];

    private IEnumerable<(string Name, double Value)> Figures()
    {
        foreach (var (name, value) in Last!.Scalars)
            yield return (name, value);
        foreach (var (name, value) in LastEma?.Scalars ?? new Dictionary<string, double>())
            yield return ($"ema_{name}", value);
    }

    /// <summary>The figures for a line of the log.</summary>
    internal IEnumerable<(string, JsonNode?)> Fields()
    {
        foreach (var (name, value) in Figures())
            yield return (name, value);
        if (Last!.Unreadable.Count > 0)
            yield return ("unreadable", Last.Unreadable.Count);
        yield return (RunLog.Primary, Last.Primary);
        yield return (RunLog.HigherIsBetter, Last.HigherIsBetter);
        yield return (RunLog.IsShare, Last.PrimaryFormat == MetricFormat.Share);
    }
}
