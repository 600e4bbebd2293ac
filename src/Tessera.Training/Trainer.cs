using System.Diagnostics;
using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training;

/// <summary>What a training needs.</summary>
/// <param name="Student">The model.</param>
/// <param name="Objective">The method.</param>
/// <param name="Optimizer">Of the student's and the method's parameters.</param>
/// <param name="Schedule">Length and learning rate.</param>
/// <param name="TopLearningRate">At the top of the schedule.</param>
/// <param name="Data">Batches to learn from.</param>
/// <param name="Test">Batches to measure on; null for no evaluations.</param>
/// <param name="Options">Precision, seed, intervals.</param>
/// <param name="Evaluation">How it is measured.</param>
public sealed record TrainingSetup(
    Backbone Student,
    Objective Objective,
    Optimizer Optimizer,
    ScheduleOptions Schedule,
    double TopLearningRate,
    BatchSource Data,
    BatchSource? Test,
    TrainOptions Options,
    EvaluationOptions Evaluation);

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
    private readonly Parameter[] learned;
    private readonly Pace pace = new();
    private Tally interval = Tally.Empty;
    private long step;
    private bool evaluated;
    private Evaluation? last, lastEma;

    /// <summary>A trainer at step 0, or, after <see cref="Resume"/>, where a run stood.</summary>
    /// <param name="setup">What is trained, how.</param>
    /// <param name="run">Where log and checkpoints go; null keeps nothing.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    public Trainer(TrainingSetup setup, RunFolder? run = null, Action<TrainingEvent>? report = null)
    {
        this.setup = setup;
        this.report = report ?? (_ => { });
        device = Device.Parse(setup.Options.Device);
        learned = [.. setup.Optimizer.Groups.SelectMany(g => g.Parameters).Select(p => p.Parameter)];
        StepsPerEpoch = (setup.Data.Count + setup.Options.Accumulate - 1) / setup.Options.Accumulate;
        if (StepsPerEpoch == 0) throw new ArgumentException("there are no batches to train on", nameof(setup));
        if (setup.Options.Ema is { } decay) ema = new Ema(setup.Student, decay);
        if (run is null) return;
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

    /// <summary>The moving average of the weights, where there is one.</summary>
    public Ema? Ema => ema;

    /// <summary>Goes to the newest checkpoint that is whole.</summary>
    /// <returns>False when there is none: training begins at step 0.</returns>
    /// <exception cref="RunException">The checkpoint belongs to other data or another batch size, or none is whole.</exception>
    public bool Resume()
    {
        var skipped = new List<string>();
        if (checkpoints?.Newest(skipped.Add) is not { } found)
        {
            // Beginning anew in silence would throw away what the damaged ones may still hold.
            if (skipped.Count > 0) throw new RunException($"no checkpoint of the run can be used: {string.Join("; ", skipped)}");
            log?.Truncate(0);
            return false;
        }
        var position = found.Position;
        if (position.StepsPerEpoch != StepsPerEpoch) throw new RunException($"{found.Path} has {position.StepsPerEpoch} steps in an epoch, this run {StepsPerEpoch}: data, batch or accumulation differ");
        using var scope = new Scope();
        setup.Student.LoadStateDict(found.Load("model"));
        if (found.Has("objective")) setup.Objective.LoadStateDict(found.Load("objective"));
        setup.Optimizer.LoadStateDict(found.Load("optimizer"));
        ema?.LoadStateDict(found.Load("ema"));
        var random = found.Load("random");
        foreach (var (name, state) in random)
        {
            using var generator = Generator.Default(Device.Parse(name));
            generator.SetState(state);
        }
        log!.Truncate(position.LogBytes);
        (step, evaluated, interval) = (position.Step, position.Evaluated, position.Interval);
        report(new Resumed(found.Path, step, skipped));
        return true;
    }

    /// <summary>Trains up to the end of the schedule.</summary>
    /// <param name="until">Ends it after so many steps in all, as if it had been stopped.</param>
    /// <param name="stop">Ends it after the present step, with a checkpoint.</param>
    /// <exception cref="NonFiniteLossException">The loss became infinite or no number.</exception>
    public TrainingResult Train(long until = long.MaxValue, CancellationToken stop = default)
    {
        setup.Student.Train();
        setup.Objective.Train();
        setup.Optimizer.ZeroGrad();
        while (step < TotalSteps || EvaluationDue)
        {
            if (EvaluationDue && !Evaluate(stop)) return Interrupted();
            if (step >= TotalSteps) break;
            if (!TrainEpoch((int)(step / StepsPerEpoch), until, stop)) return Interrupted();
        }
        return new(true, step, last, lastEma);
    }

    private TrainingResult Interrupted()
    {
        SaveCheckpoint(null);
        return new(false, step, last, lastEma);
    }

    // From where the step stands to the end of its epoch.
    private bool TrainEpoch(int epoch, long until, CancellationToken stop)
    {
        using var batches = setup.Data.Epoch(epoch, (int)(step % StepsPerEpoch) * setup.Options.Accumulate).GetEnumerator();
        do
        {
            if (stop.IsCancellationRequested || step >= until) return false;
            TrainStep(batches, epoch);
            if (setup.Options.CheckpointEvery is { } every && step % every == 0 && !EvaluationDue) SaveCheckpoint(null);
        }
        while (step % StepsPerEpoch != 0);
        if (!EvaluationDue) SaveCheckpoint(null);
        return true;
    }

    private void TrainStep(IEnumerator<Batch> batches, int epoch)
    {
        var started = Stopwatch.GetTimestamp();
        var progress = new Progress(epoch, setup.Schedule.TotalEpochs, step, StepsPerEpoch);
        using var scope = new Scope();
        List<OwnedBatch> parts = [];
        while (parts.Count < setup.Options.Accumulate && batches.MoveNext()) parts.Add(new(batches.Current, device));
        if (parts.Count == 0) throw new InvalidOperationException($"the data ended at step {step % StepsPerEpoch} of an epoch of {StepsPerEpoch}");
        var total = parts.Sum(part => (double)part.Value.Count);
        setup.Optimizer.LearningRate = setup.Schedule.LearningRate(setup.TopLearningRate, step, StepsPerEpoch);
        var tally = Tally.Empty;
        foreach (var part in parts)
        {
            tally = Accumulate(part.Value, part.Value.Count / total, progress, tally);
            part.Dispose();
        }
        if (setup.Options.Clip is { } limit) GradientClipping.ByNorm(learned, limit);
        setup.Optimizer.Step();
        setup.Optimizer.ZeroGrad();
        ema?.Update();
        setup.Objective.AfterStep(setup.Student, progress);
        step++;
        evaluated = false;
        interval = interval.Add(tally);
        pace.Step(Stopwatch.GetElapsedTime(started), tally.Samples);
        if (step % setup.Options.LogEvery == 0 || step % StepsPerEpoch == 0) LogInterval(epoch);
        report(new StepDone(epoch, setup.Schedule.TotalEpochs, step, TotalSteps, tally.Loss, setup.Optimizer.LearningRate, pace.ImagesPerSecond, pace.Remaining(TotalSteps - step, EvaluationsLeft)));
    }

    private Tally Accumulate(Batch batch, double share, Progress progress, Tally tally)
    {
        using var scope = new Scope();
        Loss loss;
        using (Autocast()) loss = setup.Objective.Compute(setup.Student, batch, progress);
        var value = loss.Total.ToDouble();
        if (!double.IsFinite(value))
            using (Autocast()) throw NonFiniteLossException.Diagnose(setup.Student, batch, progress, value, setup.Optimizer.LearningRate);
        (share == 1 ? loss.Total : loss.Total * share).Backward();
        var right = batch.Targets is null && loss.Logits is { } logits ? logits.Detach().Argmax(1).Eq(batch.Labels).Sum().ToInt64() : (long?)null;
        return tally.AddShare(share, batch.Count, value, right is null ? 0 : batch.Count, right ?? 0, loss.Parts.ToDictionary(part => part.Key, part => part.Value.ToDouble()));
    }

    private Autocast? Autocast() => setup.Options.Precision == Precision.Bf16 ? Torch.Autocast(device: device.Type) : null;

    private bool EvaluationDue => setup.Test is not null && !evaluated && step > 0 && step % StepsPerEpoch == 0 && IsEvaluated(step / StepsPerEpoch);

    private bool IsEvaluated(long epochs) => epochs == setup.Schedule.TotalEpochs || (setup.Evaluation.Every > 0 && epochs % setup.Evaluation.Every == 0);

    private int EvaluationsLeft
    {
        get
        {
            if (setup.Test is null) return 0;
            var left = 0;
            for (var epoch = step / StepsPerEpoch + 1; epoch <= setup.Schedule.TotalEpochs; epoch++) left += IsEvaluated(epoch) ? 1 : 0;
            return left;
        }
    }

    // False when it was stopped; it is done again after resuming then.
    private bool Evaluate(CancellationToken stop)
    {
        var started = Stopwatch.GetTimestamp();
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
        pace.Evaluation(Stopwatch.GetElapsedTime(started));
        evaluated = true;
        var epoch = (int)(step / StepsPerEpoch) - 1;
        var line = Line("evaluation", epoch);
        Describe(line, "", last);
        if (lastEma is not null) Describe(line, "ema_", lastEma);
        line["seconds"] = Math.Round(pace.EvaluationSeconds, 3);
        log?.Write(line);
        report(new Evaluated(epoch, last, lastEma));
        SaveCheckpoint(last.Top1);
        return true;
    }

    private Evaluation Measure(CancellationToken stop)
        => Evaluator.Run(setup.Student, setup.Test!.Epoch(0, 0), setup.Evaluation, setup.Options.Precision, done => report(new Evaluating(done)), stop);

    private static void Describe(JsonObject line, string prefix, Evaluation evaluation)
    {
        line[$"{prefix}top1"] = evaluation.Top1;
        line[$"{prefix}top5"] = evaluation.Top5;
        line[$"{prefix}loss"] = evaluation.Loss;
        line[$"{prefix}ece"] = evaluation.Ece;
    }

    private void LogInterval(int epoch)
    {
        var line = Line("step", epoch);
        line["lr"] = setup.Optimizer.LearningRate;
        line["loss"] = interval.Loss / interval.Steps;
        if (interval.Labelled > 0) line["top1"] = interval.Right / (double)interval.Labelled;
        foreach (var (name, sum) in interval.Parts) line[name] = sum / interval.Steps;
        line["images_per_second"] = Math.Round(pace.ImagesPerSecond, 1);
        line["seconds"] = Math.Round(pace.TakeSeconds(), 3);
        log?.Write(line);
        interval = Tally.Empty;
    }

    private JsonObject Line(string kind, int epoch) => new() { ["kind"] = kind, ["epoch"] = epoch + 1, ["step"] = step };

    private void SaveCheckpoint(double? top1)
    {
        if (checkpoints is null) return;
        foreach (var (name, parameter) in setup.Student.NamedParameters())
            if (!NonFiniteLossException.IsFinite(parameter)) throw new InvalidOperationException($"no checkpoint was written at step {step}: parameter {name} is not finite; try a lower optimizer.lr or train.clip=1");
        log!.Flush();
        using var scope = new Scope();
        var files = new OrderedDictionary<string, IReadOnlyDictionary<string, Tensor>> { ["model"] = setup.Student.StateDict(), ["optimizer"] = setup.Optimizer.StateDict(), ["random"] = RandomStates() };
        if (ema is not null) files["ema"] = ema.StateDict();
        if (setup.Objective.StateDict() is { Count: > 0 } own) files["objective"] = own;
        var path = checkpoints.Save(new(step, StepsPerEpoch, evaluated, log.Length, setup.Options.Seed, interval, top1), files);
        checkpoints.Prune(setup.Options.Keep);
        report(new CheckpointWritten(path));
    }

    private OrderedDictionary<string, Tensor> RandomStates()
    {
        var states = new OrderedDictionary<string, Tensor>();
        Device[] devices = device.Type == DeviceType.Cpu ? [Device.Cpu] : [Device.Cpu, device];
        foreach (var one in devices)
        {
            using var generator = Generator.Default(one);
            states.Add(one.ToString(), generator.GetState());
        }
        return states;
    }

    /// <summary>Closes the log and frees the moving average.</summary>
    public void Dispose()
    {
        log?.Dispose();
        ema?.Dispose();
    }
}
