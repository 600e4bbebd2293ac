using System.Diagnostics;
using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Nn;
using Tessera.Training.Runs;

namespace Tessera.Training.Loop;

/// <summary>The result of a training.</summary>
/// <param name="Completed">False when it was interrupted; a checkpoint was written then.</param>
/// <param name="Steps">Steps done, over all epochs.</param>
/// <param name="Last">The last measurement of the weights in this process; null without one.</param>
/// <param name="LastEma">The last measurement of the moving average of the weights; null without one.</param>
public sealed record TrainingResult(bool Completed, long Steps, Metrics? Last, Metrics? LastEma);

/// <summary>
/// Trains an objective. A checkpoint holds all that the next step depends on, so that on the CPU a training that was stopped and
/// resumed is equal, bit for bit, to one that was not.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly TrainingSetup setup;
    private readonly RunRecorder recorder;
    private readonly Validation validation;
    private readonly NonFinitePolicy nonFinite;
    private readonly StepPhases phases;
    private readonly GradientPass[] gradients;
    private readonly Workers? workers;
    private readonly Device device;
    private readonly ThroughputMeter throughput = new();
    private readonly Exclusive training = new(
        "this trainer trains on another thread: make a trainer with a model of its own for each thread"
    );
    private StepMetrics interval = StepMetrics.Empty;
    private long step;
    private long samples;
    private long ahead;
    private bool evaluated;
    private (long Step, int Phase, bool Evaluated)? saved;

    /// <summary>A trainer at step 0, or, after <see cref="Resume"/>, where a run stood.</summary>
    /// <param name="setup">Objective, data, schedule and options.</param>
    /// <param name="run">Folder for log and checkpoints; null keeps nothing. Of several processes only rank 0 has one.</param>
    /// <param name="report">Receives every event, on the thread that trains.</param>
    /// <exception cref="RunException">Options that the method does not allow, or nothing to learn.</exception>
    public Trainer(TrainingSetup setup, RunFolder? run = null, Action<TrainingEvent>? report = null)
    {
        Check(setup, run);
        this.setup = setup;
        report ??= _ => { };
        device = Device.Parse(setup.Options.Device);
        if (setup.Group is { } group)
            workers = new(setup, group);
        if (setup.Options.Averages)
            Ema = new Ema(setup.Objective.Model);
        StepsPerEpoch = (setup.Data.StepsPerEpoch + setup.Options.GradAccumSteps - 1) / setup.Options.GradAccumSteps;
        // While an evaluation is due, the epoch that has ended is the one at hand.
        recorder = new(setup, run, workers, device, report, () => ((int)((EvaluationDue ? step - 1 : step) / StepsPerEpoch), step));
        validation = new(setup, TotalEpochs, Ema, workers, report);
        nonFinite = new(setup.Options);
        gradients = [.. setup.Phases.Select(phase => new GradientPass(setup, phase, device, HalveMicroBatch, workers))];
        phases = new(
            setup,
            [.. setup.Phases.Zip(gradients, (phase, pass) => new StepUpdate(setup, phase, pass, device, LogScale))],
            workers,
            device
        );
        foreach (var remark in setup.Remarks)
        {
            recorder.Write(RunLog.Remark, 0, 0, (RunLog.Remark, remark));
            report(new DataRemark(remark));
        }
        TellOfMethod(0);
        if (setup.Group is not null && setup.Objective is { MeanOverSamples: false, JoinsProcesses: false })
            report(
                new ProcessesDiffer(
                    setup.Group.Size,
                    "this objective compares or weights the samples of a batch among each other, and each process does so with its own"
                )
            );
    }

    private void TellOfMethod(int epoch)
    {
        foreach (var remark in setup.Objective.TakeRemarks())
        {
            recorder.Write(RunLog.Remark, epoch, step, (RunLog.Remark, remark));
            recorder.Report(new MethodRemark(step, remark));
        }
    }

    /// <summary>Notes in the log, and tells whoever watches, what became of the weights that the model begins with.</summary>
    internal void Announce(WeightsLoaded loaded)
    {
        recorder.Write(
            "weights",
            Epoch,
            step,
            ("path", loaded.Path),
            ("notes", new JsonArray([.. loaded.Notes.Select(note => (JsonNode)note)]))
        );
        recorder.Report(loaded);
    }

    private static void Check(TrainingSetup setup, RunFolder? run)
    {
        if (setup.Options.MicroBatch is not null && !setup.Objective.MeanOverSamples)
            throw new RunException(
                "train.micro_batch must be left out: this objective compares the samples of a batch, or weights them among each other, and "
                    + "the batch cannot be divided"
            );
        if (setup.Options.GradAccumSteps > 1 && !setup.Objective.MeanOverSamples)
            throw new RunException(
                "train.grad_accum_steps must be 1: this objective compares the samples of a batch, or weights them among each other, and "
                    + "accumulation does not enlarge it"
            );
        if (setup.Options.NonFinite == NonFiniteAction.Skip && setup.Phases.Count > 1)
            throw new RunException(
                "train.non_finite must be stop or rollback: this objective has several phases, and skip leaves out a whole step"
            );
        if (setup.Options.NonFinite == NonFiniteAction.Rollback && run is null && setup.Group is null or { IsFirst: true })
            throw new ArgumentException("rolling back needs a run with checkpoints", nameof(run));
        if (setup.Phases.FirstOrDefault(phase => !phase.Learned.Any(p => p.Parameter.RequiresGrad)) is { } idle)
            throw new RunException(
                $"there is nothing to learn{(idle.Phase.Name.Length == 0 ? "" : $" in the phase {idle.Phase.Name}")}: "
                    + "no parameter that the optimiser has requires a gradient"
            );
        if (setup.Data.StepsPerEpoch == 0)
            throw new ArgumentException("there are no batches to train on", nameof(setup));
        if (setup.Test is not null && setup.Evaluator is null)
            throw new ArgumentException("measuring needs an evaluator", nameof(setup));
    }

    /// <summary>Steps of the optimiser in one epoch.</summary>
    public long StepsPerEpoch { get; }

    /// <summary>Epochs of the whole training; its end may cut the last one short (<see cref="TotalSteps"/>).</summary>
    public int TotalEpochs => setup.Schedule.TotalEpochs(StepsPerEpoch);

    /// <summary>Steps of the whole training.</summary>
    public long TotalSteps => setup.Schedule.TotalSteps(StepsPerEpoch);

    /// <summary>Steps done so far, over all epochs.</summary>
    public long Step => step;

    /// <summary>Operations of a sample and peak of the machine, for the log; null leaves them out.</summary>
    internal Arithmetic? Arithmetic { get; set; }

    /// <summary>
    /// Forward passes of the model per sample and step (<see cref="Objective.ForwardPasses"/>, twice with sharpness-aware steps); null if
    /// unknown.
    /// </summary>
    public double? ForwardPasses => setup.Objective.ForwardPasses * (setup.Options.Sam is null ? 1 : 2);

    /// <summary>The moving average of the weights, where there is one.</summary>
    public Ema? Ema { get; }

    /// <summary>Goes to the newest checkpoint that is whole.</summary>
    /// <returns>False when there is none: training begins at step 0.</returns>
    /// <exception cref="RunException">The checkpoint belongs to other data or another batch size, or none is whole.</exception>
    public bool Resume()
    {
        var damaged = new List<string>();
        var found = recorder.Newest(damaged.Add);
        // Beginning anew in silence would throw away what the damaged ones may still hold.
        if (found is null && damaged.Count > 0)
            throw new RunException($"no checkpoint of the run can be used: {string.Join("; ", damaged)}");
        if (recorder.PositionOf(found) is not { } position)
        {
            recorder.Truncate(0);
            return false;
        }
        if (position.StepsPerEpoch != StepsPerEpoch)
            throw new RunException(
                $"{found?.Path ?? "the checkpoint"} has {position.StepsPerEpoch} steps per epoch, but this run has {StepsPerEpoch}: "
                    + "data, batch or accumulation differ, and a run cannot change the number of its steps; a new run can begin with these "
                    + "weights (model.weights)"
            );
        Restore(found, position);
        foreach (var pass in gradients)
            pass.Largest = position.MicroBatch ?? pass.Largest;
        var resumed = new Resumed(found?.Path ?? "", step, damaged, position.Processes, workers?.Count ?? 1);
        if (resumed.Remark is not null)
            LogProcesses(position.Processes);
        recorder.Report(resumed);
        return true;
    }

    private void Restore(StoredCheckpoint? found, Position position)
    {
        recorder.Restore(found, position, Ema);
        nonFinite.Restore(position.Skipped, position.Rollbacks);
        (step, evaluated, interval, ahead) = (position.Step, position.Evaluated, position.Interval, position.Ahead);
        (samples, phases.Partial) = (position.Samples, position.Partial);
        saved = Place;
    }

    private (long Step, int Phase, bool Evaluated) Place => (step, phases.Partial?.Phase ?? 0, evaluated);

    /// <summary>Trains up to the end of the schedule.</summary>
    /// <param name="until">Ends it after so many steps in all, as if it had been stopped.</param>
    /// <param name="stop">Ends it after the present step, with a checkpoint.</param>
    /// <exception cref="NonFiniteLossException">
    /// The loss, or a gradient that was looked at, became infinite or not a number, and the recipe does not say to go on.
    /// </exception>
    /// <exception cref="StepMemoryException">Not even a single sample fits into memory.</exception>
    /// <exception cref="InvalidOperationException">It trains on another thread.</exception>
    public TrainingResult Train(long until = long.MaxValue, CancellationToken stop = default)
    {
        using var alone = training.Enter();
        setup.Objective.Train();
        phases.ZeroGrad();
        if (nonFinite.RollsBack && recorder.Checkpoints?.All.Count == 0)
            SaveCheckpoint(null);
        if (workers is not null && saved is null)
            LogProcesses(null);
        try
        {
            return TrainToEnd(until, stop);
        }
        catch (DistributedException) when (recorder.Checkpoints is not null)
        {
            // The phase that could not be done has changed nothing: what was learned so far is kept.
            if (step > 0 || phases.Partial is not null)
                Interrupt();
            throw;
        }
    }

    private TrainingResult TrainToEnd(long until, CancellationToken stop)
    {
        while (step < TotalSteps || EvaluationDue)
        {
            if (EvaluationDue && !Evaluate(stop))
                return Interrupt();
            if (step >= TotalSteps)
                break;
            try
            {
                if (!TrainEpoch(Epoch, until, stop))
                    return Interrupt();
            }
            catch (NonFiniteLossException error) when (nonFinite.RollsBack)
            {
                RollBack(error);
            }
        }
        return new(true, step, validation.Last, validation.LastEma);
    }

    // From where the step stands to the end of its epoch, or of the data's, which may be ahead.
    private bool TrainEpoch(int epoch, long until, CancellationToken stop)
    {
        var place = step + ahead;
        // The step at hand is done before the training stops.
        var data = setup.Data.Epoch(
            (int)(place / StepsPerEpoch),
            (int)(place % StepsPerEpoch) * setup.Options.GradAccumSteps,
            CancellationToken.None
        );
        using var batches = recorder.Watch(data, setup.Data.Split).GetEnumerator();
        do
        {
            // Of several processes, all stop after the same step.
            if ((workers?.Stopping ?? stop.IsCancellationRequested) || step >= until)
                return false;
            foreach (var pass in gradients)
                pass.Stop = stop.IsCancellationRequested;
            if (!TrainStep(batches, epoch, stop))
                return false;
            if (setup.Options.CheckpointEvery is { } every && step % every == 0 && !EvaluationDue)
                SaveCheckpoint(null);
        } while (!EpochEnded && (step + ahead) % StepsPerEpoch != 0);
        if (EpochEnded && !EvaluationDue)
            SaveCheckpoint(null);
        return true;
    }

    // False when it was stopped between two phases.
    private bool TrainStep(IEnumerator<Batch> batches, int epoch, CancellationToken stop)
    {
        var started = Stopwatch.GetTimestamp();
        var progress = new Progress(epoch, TotalEpochs, step, StepsPerEpoch) { TotalSteps = TotalSteps };
        using var scope = new Scope();
        List<OwnedBatch> parts = [];
        while (parts.Count < setup.Options.GradAccumSteps && batches.MoveNext())
            parts.Add(new(batches.Current, device, setup.Options.ChannelsLast));
        if (parts.Count == 0)
            throw new InvalidOperationException($"the data ended at step {step % StepsPerEpoch} of an epoch of {StepsPerEpoch}");
        var waited = Stopwatch.GetElapsedTime(started);
        phases.Schedule(step, StepsPerEpoch);
        StepResult result;
        try
        {
            result = phases.Run([.. parts.Select(part => part.Value)], progress, nonFinite.Skips, stop);
            if (result.Metrics is { } done)
                Follow(done, result.Changed, progress);
        }
        catch (DistributedException)
        {
            phases.ZeroGrad();
            throw;
        }
        if (workers is not null)
        {
            recorder.Note(gradients[0].Unreadable, setup.Data.Split);
            setup.Data.Remember(gradients[0].Unreadable);
        }
        foreach (var part in parts)
            part.Dispose();
        if (phases.Partial is not null)
        {
            TellOfMethod(epoch);
            return false;
        }
        evaluated = false;
        if (result.LeftOut is { } reason)
            Skip(reason, epoch);
        var metrics = result.Metrics;
        if (metrics is not null)
        {
            step++;
            nonFinite.Passed();
            interval = interval.Add(metrics);
            throughput.Step(Stopwatch.GetElapsedTime(started), waited, metrics.Samples);
        }
        TellOfMethod(epoch);
        if (step % setup.Options.LogEvery == 0 || EpochEnded)
            LogInterval(epoch);
        if (metrics is not null)
            recorder.Report(
                new StepDone(
                    epoch,
                    TotalEpochs,
                    step,
                    TotalSteps,
                    metrics.Loss,
                    LearningRate,
                    throughput.ImagesPerSecond,
                    throughput.Remaining(TotalSteps - step, validation.Left(step / StepsPerEpoch))
                )
                {
                    Watched = Watched(metrics),
                }
            );
        return true;
    }

    private IReadOnlyList<MetricRow> Watched(StepMetrics metrics) =>
        [
            .. setup
                .Objective.Watched.Where(figure => metrics.Mean(figure.Field) is not null)
                .Select(figure => new MetricRow(ShortName(figure.Field), metrics.Mean(figure.Field)!.Value, figure.Format)),
        ];

    // Figures of a phase bear its name, which only the losses need to be told apart.
    private string ShortName(string field) =>
        (
            setup.Phases.FirstOrDefault(phase => field.StartsWith($"{phase.Phase.Name}_", StringComparison.Ordinal)) is { } of
            && field[(of.Phase.Name.Length + 1)..] is not "loss" and var rest
                ? rest
                : field
        ).Replace('_', ' ');

    // What comes after a step that is done.
    private void Follow(StepMetrics metrics, bool changed, Progress progress)
    {
        samples += metrics.Samples;
        if (changed)
        {
            Ema?.Update(setup.Options.EmaDecay(metrics.Samples, samples));
            setup.Objective.AfterStep(progress);
        }
        phases.ZeroGrad();
    }

    // The weights of the newest checkpoint with data that was not seen yet: the same steps again would come to the same end.
    private void RollBack(NonFiniteLossException error)
    {
        var count = nonFinite.CountRollback(error);
        var damaged = new List<string>();
        var found = recorder.Newest(damaged.Add, stopped: false);
        var position = recorder.PositionOf(found)
            ?? throw error.After($"no checkpoint can be used to go back to: {string.Join("; ", damaged)}");
        var (from, behind) = (step, step + ahead + 1);
        phases.ZeroGrad();
        Restore(found, position);
        // What lies behind it belongs to steps that do not count any more.
        recorder.Checkpoints?.DeleteAfter(position);
        ahead = behind - step;
        nonFinite.Restore(nonFinite.Skipped, count);
        recorder.Write("rollback", Epoch, step, ("from", from), ("count", count), ("reason", error.Message));
        recorder.Report(new RolledBack(found?.Path ?? "", from, step, count, error.Message));
    }

    private void Skip(NonFiniteLossException error, int epoch)
    {
        nonFinite.Skip(error);
        step++;
        var samples = new JsonArray([.. error.Samples.Select(index => JsonValue.Create(index))]);
        recorder.Write("skipped", epoch, step, ("in_row", nonFinite.Skipped), ("samples", samples), ("reason", error.Message));
        recorder.Report(new StepSkipped(step, nonFinite.Skipped, error.Message));
    }

    private TrainingResult Interrupt()
    {
        // The one that is there may hold an evaluation.
        if (saved != Place)
            SaveCheckpoint(null, stopped: true);
        return new(false, step, validation.Last, validation.LastEma);
    }

    private int Epoch => (int)(step / StepsPerEpoch);

    private double LearningRate => setup.Phases[0].Optimizer.LearningRate;

    // The last epoch ends where the training does.
    private bool EpochEnded => step % StepsPerEpoch == 0 || step == TotalSteps;

    private int EpochsBegun => (int)((step + StepsPerEpoch - 1) / StepsPerEpoch);

    private bool EvaluationDue => !evaluated && step > 0 && EpochEnded && validation.IsDueAfter(EpochsBegun);

    // False when it was stopped; it is done again after resuming then.
    private bool Evaluate(CancellationToken stop)
    {
        if (validation.Run(stop) is not { } time)
            return false;
        recorder.Note(validation.Last!.Unreadable, setup.Test!.Split);
        throughput.Evaluation(time);
        evaluated = true;
        recorder.Keep(validation.Last, validation.LastEma, step);
        recorder.Write(
            "evaluation",
            EpochsBegun - 1,
            step,
            [.. validation.Fields(), ("seconds", Math.Round(throughput.EvaluationSeconds, 3))]
        );
        recorder.Report(new Evaluated(EpochsBegun - 1, validation.Last, validation.LastEma));
        if (validation.NotFinite is { Count: > 0 } names)
            recorder.Report(new FiguresNotFinite(EpochsBegun - 1, names));
        // A score that is no number is none to choose by.
        SaveCheckpoint(double.IsFinite(validation.Last.Score.Value) ? validation.Last.Score : null);
        return true;
    }

    private void SaveCheckpoint(PrimaryScore? score, bool stopped = false)
    {
        if (recorder.Checkpoints is null)
            return;
        recorder.Save(
            new(
                step,
                StepsPerEpoch,
                evaluated,
                recorder.LogLength,
                setup.Options.Seed,
                interval,
                score,
                gradients.Min(pass => pass.Largest),
                ahead,
                nonFinite.Skipped,
                nonFinite.Rollbacks,
                stopped,
                workers?.Count ?? 1,
                samples,
                phases.Partial
            ),
            Ema
        );
        saved = Place;
    }

    private void LogInterval(int epoch)
    {
        // Nothing but steps that were left out.
        if (interval.Steps == 0)
            return;
        var (seconds, waited) = throughput.Take();
        var speed = throughput.ImagesPerSecond;
        recorder.Write(
            "step",
            epoch,
            step,
            [
                ("lr", LearningRate),
                .. setup.Phases.Skip(1).Select(phase => ($"{phase.Phase.Name}_lr", (JsonNode?)phase.Optimizer.LearningRate)),
                .. interval.Fields(),
                ("images_per_second", Math.Round(speed, 1)),
                .. Arithmetic?.Fields(speed) ?? [],
                ("waited", Math.Round(waited, 4)),
                ("seconds", Math.Round(seconds, 3)),
            ]
        );
        interval = StepMetrics.Empty;
    }

    private void HalveMicroBatch(int samples)
    {
        var statistics = setup.Objective.Model.NamedModules().Any(m => m.Module is BatchNorm { Training: true });
        recorder.Write("micro_batch", Epoch, step, ("samples", samples), ("batch_statistics", statistics));
        recorder.Report(new MicroBatchHalved(step, samples, statistics));
    }

    private void LogProcesses(int? before)
    {
        (string, JsonNode?) now = ("processes", workers?.Count ?? 1);
        recorder.Write("processes", Epoch, step, before is null ? [now] : [now, ("before", before)]);
    }

    private void LogScale(double scale)
    {
        recorder.Write("loss_scale", Epoch, step, ("scale", scale));
        recorder.Report(new ScaleLowered(step + 1, scale));
    }

    /// <summary>Writes a line of the log, where the training stands.</summary>
    internal void Log(string kind, params IEnumerable<(string, JsonNode?)> fields) => recorder.Write(kind, Epoch, step, fields);

    /// <summary>Closes the log and frees the moving average.</summary>
    public void Dispose()
    {
        recorder.Dispose();
        Ema?.Dispose();
        workers?.Dispose();
    }
}
