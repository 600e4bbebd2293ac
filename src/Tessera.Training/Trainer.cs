using System.Diagnostics;
using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Optim;

namespace Tessera.Training;

/// <summary>How a training ended.</summary>
/// <param name="Completed">False when it was interrupted; a checkpoint was written then.</param>
/// <param name="Steps">Steps done, over all epochs.</param>
/// <param name="Last">The last evaluation of this process.</param>
/// <param name="LastEma">The same of the moving average of the weights.</param>
public sealed record TrainingResult(bool Completed, long Steps, Evaluation? Last, Evaluation? LastEma);

/// <summary>
/// Trains a model. A checkpoint holds all that the next step depends on, so that on the CPU a training that was stopped and
/// resumed is equal, bit for bit, to one that was not.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly TrainingSetup setup;
    private readonly Action<TrainingEvent> report;
    private readonly CheckpointStore? checkpoints;
    private readonly RunLog? log;
    private readonly Ema? ema;
    private readonly Device device;
    private readonly (string Name, Parameter Parameter)[] learned;
    private readonly Parameter[] classifier;
    private readonly GradientPass gradients;
    private readonly Workers? workers;
    private readonly Pace pace = new();
    private readonly UnreadableLog unreadable;
    private Tally interval = Tally.Empty;
    private long step;
    private long ahead;
    private int skipped,
        rollbacks;
    private bool evaluated;
    private (long Step, bool Evaluated)? saved;
    private Evaluation? last,
        lastEma;

    /// <summary>A trainer at step 0, or, after <see cref="Resume"/>, where a run stood.</summary>
    /// <param name="setup">What is trained, how.</param>
    /// <param name="run">Where log and checkpoints go; null keeps nothing. Of several processes only rank 0 has one.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    public Trainer(TrainingSetup setup, RunFolder? run = null, Action<TrainingEvent>? report = null)
    {
        this.setup = setup;
        this.report = report ?? (_ => { });
        device = Device.Parse(setup.Options.Device);
        learned = [.. setup.Optimizer.Groups.SelectMany(g => g.Parameters)];
        classifier =
        [
            .. setup
                .Student.NamedParameters()
                .Where(entry => setup.Student.ClassifierNames.Contains(entry.Name))
                .Select(entry => entry.Parameter),
        ];
        if (setup.Group is { } group)
            workers = new(setup, group);
        gradients = new(setup, device, setup.Scaler, HalveMicroBatch, workers);
        StepsPerEpoch = (setup.Data.Count + setup.Options.Accumulate - 1) / setup.Options.Accumulate;
        if (setup.Options.MicroBatch is not null && !setup.Objective.MeanOverSamples)
            throw new RunException(
                "train.micro_batch divides batches, and this method compares the samples of a batch: leave it out, and choose data.batch"
            );
        if (setup.Options.NonFinite == NonFiniteAction.Rollback && run is null && setup.Group is null or { IsFirst: true })
            throw new ArgumentException("rolling back needs a run with checkpoints", nameof(run));
        if (StepsPerEpoch == 0)
            throw new ArgumentException("there are no batches to train on", nameof(setup));
        if (setup.Options.Ema is { } decay)
            ema = new Ema(setup.Student, decay);
        // While an evaluation is due, the epoch that has ended is the one at hand.
        unreadable = new(
            (kind, fields) => log?.Write(kind, (int)((EvaluationDue ? step - 1 : step) / StepsPerEpoch), step, fields),
            this.report
        );
        if (setup.Group is not null && !setup.Objective.MeanOverSamples)
            this.report(
                new ProcessesDiffer(setup.Group.Size, "this method compares the samples of a batch, and each process compares its own")
            );
        if (run is null)
            return;
        Directory.CreateDirectory(run.Path);
        checkpoints = run.Checkpoints;
        log = new RunLog(run.LogPath);
    }

    /// <summary>Steps of one epoch.</summary>
    public long StepsPerEpoch { get; }

    /// <summary>Steps in all.</summary>
    public long TotalSteps => StepsPerEpoch * setup.Schedule.TotalEpochs;

    /// <summary>Steps done.</summary>
    public long Step => step;

    /// <summary>What a sample costs on what kind of machine, for the log; null leaves it out.</summary>
    public Arithmetic? Arithmetic { get; set; }

    /// <summary>Whether the model's own cost is that of a step (<see cref="Objective.IsOnePass"/>).</summary>
    public bool IsOnePass => setup.Objective.IsOnePass && setup.Options.Sam is null;

    /// <summary>The moving average of the weights, where there is one.</summary>
    public Ema? Ema => ema;

    /// <summary>Goes to the newest checkpoint that is whole.</summary>
    /// <returns>False when there is none: training begins at step 0.</returns>
    /// <exception cref="RunException">The checkpoint belongs to other data or another batch size, or none is whole.</exception>
    public bool Resume()
    {
        var skippedCheckpoints = new List<string>();
        var found = checkpoints?.Newest(skippedCheckpoints.Add);
        // Beginning anew in silence would throw away what the damaged ones may still hold.
        if (found is null && skippedCheckpoints.Count > 0)
            throw new RunException($"no checkpoint of the run can be used: {string.Join("; ", skippedCheckpoints)}");
        if (PositionOf(found) is not { } position)
        {
            log?.Truncate(0);
            return false;
        }
        if (position.StepsPerEpoch != StepsPerEpoch)
            throw new RunException(
                $"{found?.Path ?? "the checkpoint"} has {position.StepsPerEpoch} steps in an epoch, this run {StepsPerEpoch}: data, batch or accumulation differ"
            );
        Restore(found, position);
        gradients.Largest = position.MicroBatch ?? gradients.Largest;
        var resumed = new Resumed(found?.Path ?? "", step, skippedCheckpoints, position.Processes, workers?.Count ?? 1);
        if (resumed.Remark is not null)
            LogProcesses(position.Processes);
        report(resumed);
        return true;
    }

    // Rank 0 alone reads checkpoints: what lies on a shared disk need not look the same everywhere at once.
    private Position? PositionOf(StoredCheckpoint? found) => workers is null ? found?.Position : workers.Broadcast(() => found?.Position);

    private OrderedDictionary<string, Tensor> Load(StoredCheckpoint? found, string file) =>
        workers is null ? found!.Load(file) : workers.Broadcast(found?.Load(file));

    private bool Has(StoredCheckpoint? found, string file) =>
        workers is null ? found!.Has(file) : workers.Broadcast(() => found!.Has(file));

    private void Restore(StoredCheckpoint? found, Position position)
    {
        using var scope = new Scope();
        setup.Student.LoadStateDict(Load(found, "model"));
        if (Has(found, "objective"))
            setup.Objective.LoadStateDict(Load(found, "objective"));
        setup.Optimizer.LoadStateDict(Load(found, "optimizer"));
        ema?.LoadStateDict(Load(found, "ema"));
        if (Has(found, "scaler"))
            setup.Scaler?.LoadStateDict(Load(found, "scaler"));
        // Of several processes each begins every step with random numbers of its own.
        if (workers is null)
            RandomState.From(Load(found, "random")).Restore();
        log?.Truncate(position.LogBytes);
        unreadable.Continue(log?.Lines ?? []);
        (step, evaluated, interval, ahead, skipped, rollbacks) = (
            position.Step,
            position.Evaluated,
            position.Interval,
            position.Ahead,
            position.Skipped,
            position.Rollbacks
        );
        saved = (step, evaluated);
    }

    /// <summary>Trains up to the end of the schedule.</summary>
    /// <param name="until">Ends it after so many steps in all, as if it had been stopped.</param>
    /// <param name="stop">Ends it after the present step, with a checkpoint.</param>
    /// <exception cref="NonFiniteLossException">The loss, or a gradient that was looked at, became infinite or no number, and the recipe does not say to go on.</exception>
    /// <exception cref="StepMemoryException">Not even a single sample fits into memory.</exception>
    public TrainingResult Train(long until = long.MaxValue, CancellationToken stop = default)
    {
        setup.Student.Train();
        setup.Objective.Train();
        setup.Optimizer.ZeroGrad();
        if (setup.Options.NonFinite == NonFiniteAction.Rollback && checkpoints?.All.Count == 0)
            SaveCheckpoint(null);
        if (workers is not null && saved is null)
            LogProcesses(null);
        try
        {
            return TrainToEnd(until, stop);
        }
        catch (DistributedException) when (checkpoints is not null)
        {
            // The step that could not be done has changed nothing: what was learned so far is kept.
            if (step > 0)
                Interrupted();
            throw;
        }
    }

    private TrainingResult TrainToEnd(long until, CancellationToken stop)
    {
        while (step < TotalSteps || EvaluationDue)
        {
            if (EvaluationDue && !Evaluate(stop))
                return Interrupted();
            if (step >= TotalSteps)
                break;
            try
            {
                if (!TrainEpoch(Epoch, until, stop))
                    return Interrupted();
            }
            catch (NonFiniteLossException error) when (setup.Options.NonFinite == NonFiniteAction.Rollback)
            {
                RollBack(error);
            }
        }
        return new(true, step, last, lastEma);
    }

    // The weights of the newest checkpoint with data that was not seen yet: the same steps again would come to the same end.
    private void RollBack(NonFiniteLossException error)
    {
        var count = rollbacks + 1;
        if (count > setup.Options.NonFiniteLimit)
            throw error.After($"the run has gone back to a checkpoint {rollbacks} times already (train.non_finite_limit)");
        var damaged = new List<string>();
        var found = checkpoints?.Newest(damaged.Add, stopped: false);
        var position = PositionOf(found) ?? throw error.After($"no checkpoint can be used to go back to: {string.Join("; ", damaged)}");
        var (from, behind) = (step, step + ahead + 1);
        setup.Optimizer.ZeroGrad();
        Restore(found, position);
        // What lies behind it belongs to steps that do not count any more.
        checkpoints?.DeleteAfter(step);
        (ahead, rollbacks) = (behind - step, count);
        log?.Write("rollback", Epoch, step, [("from", from), ("count", count), ("reason", error.Message)]);
        report(new RolledBack(found?.Path ?? "", from, step, count, error.Message));
    }

    private TrainingResult Interrupted()
    {
        // The one that is there may hold an evaluation.
        if (saved != (step, evaluated))
            SaveCheckpoint(null, stopped: true);
        return new(false, step, last, lastEma);
    }

    // From where the step stands to the end of its epoch, or of the data's, which may be ahead.
    private bool TrainEpoch(int epoch, long until, CancellationToken stop)
    {
        var place = step + ahead;
        using var batches = unreadable
            .Watch(
                setup.Data.Epoch((int)(place / StepsPerEpoch), (int)(place % StepsPerEpoch) * setup.Options.Accumulate),
                setup.Data.Split
            )
            .GetEnumerator();
        do
        {
            // Of several processes, all stop after the same step.
            if ((workers?.Stopping ?? stop.IsCancellationRequested) || step >= until)
                return false;
            gradients.Stop = stop.IsCancellationRequested;
            TrainStep(batches, epoch);
            if (setup.Options.CheckpointEvery is { } every && step % every == 0 && !EvaluationDue)
                SaveCheckpoint(null);
        } while (step % StepsPerEpoch != 0 && (step + ahead) % StepsPerEpoch != 0);
        if (step % StepsPerEpoch == 0 && !EvaluationDue)
            SaveCheckpoint(null);
        return true;
    }

    private void TrainStep(IEnumerator<Batch> batches, int epoch)
    {
        var started = Stopwatch.GetTimestamp();
        var progress = new Progress(epoch, setup.Schedule.TotalEpochs, step, StepsPerEpoch);
        using var scope = new Scope();
        List<OwnedBatch> parts = [];
        while (parts.Count < setup.Options.Accumulate && batches.MoveNext())
            parts.Add(new(batches.Current, device, setup.Options.ChannelsLast));
        if (parts.Count == 0)
            throw new InvalidOperationException($"the data ended at step {step % StepsPerEpoch} of an epoch of {StepsPerEpoch}");
        var waited = Stopwatch.GetElapsedTime(started);
        setup.Optimizer.LearningRate = setup.Schedule.LearningRate(setup.TopLearningRate, step, StepsPerEpoch);
        workers?.Begin(setup.Options.Seed, step);
        var start = new StepStart(setup, device);
        Tally? tally = null;
        try
        {
            tally = Update([.. parts.Select(part => part.Value)], progress, start);
        }
        catch (NonFiniteLossException error) when (setup.Options.NonFinite == NonFiniteAction.Skip)
        {
            Skip(error, start, epoch);
        }
        catch (DistributedException)
        {
            setup.Optimizer.ZeroGrad();
            start.Restore();
            throw;
        }
        if (workers is not null)
        {
            unreadable.Note(gradients.Unreadable, setup.Data.Split);
            setup.Data.Remember?.Invoke(gradients.Unreadable);
        }
        foreach (var part in parts)
            part.Dispose();
        evaluated = false;
        if (tally is not null)
        {
            (step, skipped) = (step + 1, 0);
            interval = interval.Add(tally);
            pace.Step(Stopwatch.GetElapsedTime(started), waited, tally.Samples);
        }
        if (step % setup.Options.LogEvery == 0 || step % StepsPerEpoch == 0)
            LogInterval(epoch);
        if (tally is not null)
            report(
                new StepDone(
                    epoch,
                    setup.Schedule.TotalEpochs,
                    step,
                    TotalSteps,
                    tally.Loss,
                    setup.Optimizer.LearningRate,
                    pace.ImagesPerSecond,
                    pace.Remaining(TotalSteps - step, EvaluationsLeft)
                )
            );
    }

    // The gradients of a step, and the step itself.
    private Tally Update(Batch[] batches, Progress progress, StepStart start)
    {
        var tally = gradients.Gather(batches, progress, start);
        // Along gradients that are not finite there is no way uphill: what follows deals with them.
        if (setup.Options.Sam is { } sam && GradientClipping.FirstNotFinite(Learned) is null)
        {
            using var uphill = new SharpnessAware(Learned, sam.Rho, sam.Adaptive);
            setup.Optimizer.ZeroGrad();
            gradients.Gather(batches, progress, new(setup, device));
        }
        var fits = setup.Scaler?.Unscale(Learned) ?? true;
        setup.Scaler?.Update(fits);
        // Below 1 the scale is not to blame any more.
        if (fits || setup.Scaler!.Scale < 1)
            CheckGradients(batches, progress, tally.Loss);
        if (fits)
        {
            setup.Optimizer.Step();
            ema?.Update();
            setup.Objective.AfterStep(setup.Student, progress);
        }
        else
            LogScale(progress.Epoch);
        setup.Optimizer.ZeroGrad();
        return tally;
    }

    private IEnumerable<Parameter> Learned => learned.Select(entry => entry.Parameter);

    // Clips gradients; looks at them where clipping measures them anyway, or something goes by them: a step to be left out, the way uphill, a scale that fell too far.
    private void CheckGradients(Batch[] batches, Progress progress, double loss)
    {
        var clipped = setup.Objective.ClipsStudentOnly ? setup.Student.Parameters() : Learned;
        var norm = setup.Options.Clip is { } limit ? GradientClipping.ByNorm(clipped, limit) : 0;
        if (setup.Options.ClipAdaptive is { } factor)
            GradientClipping.Adaptive(clipped.Except(classifier), factor);
        var looked =
            setup.Scaler is { Scale: < 1 } || setup.Options is not { NonFinite: NonFiniteAction.Stop, Sam: null, ClipAdaptive: null };
        var first = looked || !double.IsFinite(norm) ? GradientClipping.FirstNotFinite(Learned) : null;
        if (first is null && double.IsFinite(norm))
            return;
        throw NonFiniteLossException.OfGradients(
            learned.FirstOrDefault(entry => entry.Parameter == first).Name,
            [.. batches.SelectMany(batch => batch.Indices)],
            progress,
            loss,
            setup.Optimizer.LearningRate
        );
    }

    private void Skip(NonFiniteLossException error, StepStart start, int epoch)
    {
        if (skipped >= setup.Options.NonFiniteLimit)
            throw error.After($"{skipped} steps in a row were left out already (train.non_finite_limit)");
        setup.Optimizer.ZeroGrad();
        start.Restore();
        (step, skipped) = (step + 1, skipped + 1);
        var samples = new JsonArray([.. error.Samples.Select(index => JsonValue.Create(index))]);
        log?.Write("skipped", epoch, step, [("in_row", skipped), ("samples", samples), ("reason", error.Message)]);
        report(new StepSkipped(step, skipped, error.Message));
    }

    private void HalveMicroBatch(int samples)
    {
        var statistics = setup.Student.NamedModules().Any(m => m.Module is BatchNorm { Training: true });
        log?.Write("micro_batch", Epoch, step, [("samples", samples), ("batch_statistics", statistics)]);
        report(new MicroBatchHalved(step, samples, statistics));
    }

    private void LogProcesses(int? before)
    {
        (string, JsonNode?) now = ("processes", workers?.Count ?? 1);
        log?.Write("processes", Epoch, step, before is null ? [now] : [now, ("before", before)]);
    }

    private void LogScale(int epoch)
    {
        log?.Write("loss_scale", epoch, step, [("scale", setup.Scaler!.Scale)]);
        report(new ScaleLowered(step + 1, setup.Scaler!.Scale));
    }

    private int Epoch => (int)(step / StepsPerEpoch);

    private bool EvaluationDue =>
        setup.Test is not null && !evaluated && step > 0 && step % StepsPerEpoch == 0 && IsEvaluated(step / StepsPerEpoch);

    private bool IsEvaluated(long epochs) =>
        epochs == setup.Schedule.TotalEpochs || (setup.Evaluation.Every > 0 && epochs % setup.Evaluation.Every == 0);

    private int EvaluationsLeft
    {
        get
        {
            if (setup.Test is null)
                return 0;
            var left = 0;
            for (var epoch = step / StepsPerEpoch + 1; epoch <= setup.Schedule.TotalEpochs; epoch++)
                left += IsEvaluated(epoch) ? 1 : 0;
            return left;
        }
    }

    // False when it was stopped; it is done again after resuming then.
    private bool Evaluate(CancellationToken stop)
    {
        var started = Stopwatch.GetTimestamp();
        workers?.BroadcastBuffers();
        try
        {
            last = Measure(stop);
            if (ema is not null)
            {
                ema.Swap();
                try
                {
                    lastEma = Measure(stop);
                }
                finally
                {
                    ema.Swap();
                }
            }
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        unreadable.Note(last.Unreadable, setup.Test!.Split);
        pace.Evaluation(Stopwatch.GetElapsedTime(started));
        evaluated = true;
        var epoch = Epoch - 1;
        log?.Write(
            "evaluation",
            epoch,
            step,
            [.. Fields("", last), .. lastEma is null ? [] : Fields("ema_", lastEma), ("seconds", Math.Round(pace.EvaluationSeconds, 3))]
        );
        report(new Evaluated(epoch, last, lastEma));
        SaveCheckpoint(last.Top1);
        return true;
    }

    private Evaluation Measure(CancellationToken stop) =>
        Evaluator.Run(
            setup.Student,
            setup.Test!.Epoch(0, 0),
            setup.Evaluation,
            setup.Options.Precision,
            done => report(new Evaluating(done)),
            stop: stop,
            group: workers?.Group
        );

    private static (string, JsonNode?)[] Fields(string prefix, Evaluation evaluation) =>
        [
            ($"{prefix}top1", evaluation.Top1),
            ($"{prefix}top5", evaluation.Top5),
            ($"{prefix}loss", evaluation.Loss),
            ($"{prefix}ece", evaluation.Ece),
        ];

    private void LogInterval(int epoch)
    {
        // Nothing but steps that were left out.
        if (interval.Steps == 0)
            return;
        var (seconds, waited) = pace.Take();
        var speed = pace.ImagesPerSecond;
        log?.Write(
            "step",
            epoch,
            step,
            [
                ("lr", setup.Optimizer.LearningRate),
                .. interval.Fields(),
                ("images_per_second", Math.Round(speed, 1)),
                .. Arithmetic?.Fields(speed) ?? [],
                ("waited", Math.Round(waited, 4)),
                ("seconds", Math.Round(seconds, 3)),
            ]
        );
        interval = Tally.Empty;
    }

    private void SaveCheckpoint(double? top1, bool stopped = false)
    {
        if (checkpoints is null)
            return;
        foreach (var (name, parameter) in setup.Student.NamedParameters())
            if (!NonFiniteLossException.IsFinite(parameter))
                throw new InvalidOperationException(
                    $"no checkpoint was written at step {step}: parameter {name} is not finite; try a lower optimizer.lr or train.clip=1"
                );
        log!.Flush();
        using var scope = new Scope();
        var files = new OrderedDictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            ["model"] = setup.Student.StateDict(),
            ["optimizer"] = setup.Optimizer.StateDict(),
            ["random"] = RandomState.Of(device).ToTensors(),
        };
        if (ema is not null)
            files["ema"] = ema.StateDict();
        if (setup.Scaler is { } scaler)
            files["scaler"] = scaler.StateDict();
        if (setup.Objective.StateDict() is { Count: > 0 } own)
            files["objective"] = own;
        var path = checkpoints.Save(
            new(
                step,
                StepsPerEpoch,
                evaluated,
                log.Length,
                setup.Options.Seed,
                interval,
                top1,
                gradients.Largest,
                ahead,
                skipped,
                rollbacks,
                stopped,
                workers?.Count ?? 1
            ),
            files
        );
        saved = (step, evaluated);
        checkpoints.Prune(setup.Options.Keep);
        report(new CheckpointWritten(path));
    }

    /// <summary>Closes the log and frees the moving average.</summary>
    public void Dispose()
    {
        log?.Dispose();
        ema?.Dispose();
        workers?.Dispose();
    }
}
