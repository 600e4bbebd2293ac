using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Training.Runs;

namespace Tessera.Training.Loop;

/// <summary>Writes the log and checkpoints of a run and reports events. Of several processes only rank 0 has a run.</summary>
internal sealed class RunRecorder : IDisposable
{
    private readonly TrainingSetup setup;
    private readonly Workers? workers;
    private readonly Device device;
    private readonly RunLog? log;
    private readonly UnreadableLog unreadable;
    private readonly RunPictures? pictures;

    /// <param name="setup">Objective, data and options of the training.</param>
    /// <param name="run">Folder for log and checkpoints; null keeps nothing.</param>
    /// <param name="workers">The processes that train together; null for one.</param>
    /// <param name="device">Device of the objective's networks.</param>
    /// <param name="report">Receives every event.</param>
    /// <param name="place">Epoch and step of a line that is written now.</param>
    internal RunRecorder(
        TrainingSetup setup,
        RunFolder? run,
        Workers? workers,
        Device device,
        Action<TrainingEvent> report,
        Func<(int Epoch, long Step)> place
    )
    {
        (this.setup, this.workers, this.device, Report) = (setup, workers, device, report);
        unreadable = new((kind, fields) => log?.Write(kind, place().Epoch, place().Step, fields), report);
        if (run is null)
            return;
        Directory.CreateDirectory(run.Path);
        Checkpoints = run.Checkpoints;
        pictures = run.Pictures;
        log = new RunLog(run.LogPath);
    }

    /// <summary>Passes an event to the observer of the training.</summary>
    internal Action<TrainingEvent> Report { get; }

    /// <summary>The checkpoints; null where nothing is kept.</summary>
    internal CheckpointStore? Checkpoints { get; }

    /// <summary>Length of the log in bytes; 0 without a log.</summary>
    internal long LogLength => log?.Length ?? 0;

    /// <summary>Appends a line to the log.</summary>
    internal void Write(string kind, int epoch, long step, params IEnumerable<(string, JsonNode?)> fields) =>
        log?.Write(kind, epoch, step, fields);

    /// <summary>Passes batches on and notes which images could not be read for them.</summary>
    internal IEnumerable<Batch> Watch(IEnumerable<Batch> batches, string split) => unreadable.Watch(batches, split);

    /// <summary>Notes images that could not be read.</summary>
    internal void Note(IReadOnlyList<UnreadableImage> images, string split) => unreadable.Note(images, split);

    /// <summary>Keeps the pictures of an evaluation.</summary>
    /// <param name="measured">Of the weights.</param>
    /// <param name="averaged">Of their moving average; null where there is none.</param>
    /// <param name="step">Steps that were done.</param>
    internal void Keep(Metrics measured, Metrics? averaged, long step)
    {
        foreach (var picture in measured.Pictures)
            pictures?.Write(picture.Name, step, picture.Png);
        foreach (var picture in averaged?.Pictures ?? [])
            pictures?.Write(picture.Name + RunPictures.Averaged, step, picture.Png);
    }

    /// <summary>The newest checkpoint that is whole, as rank 0 finds it; null for none, and in other processes.</summary>
    internal StoredCheckpoint? Newest(Action<string> damaged, bool stopped = true) => Checkpoints?.Newest(damaged, stopped);

    // Rank 0 alone reads checkpoints: what lies on a shared disk need not look the same everywhere at once.

    /// <summary>Position of the training at a checkpoint; null for none.</summary>
    internal Position? PositionOf(StoredCheckpoint? found) => workers is null ? found?.Position : workers.Broadcast(() => found?.Position);

    private OrderedDictionary<string, Tensor> Load(StoredCheckpoint? found, string file) =>
        workers is null ? found!.Load(file) : workers.Broadcast(found?.Load(file));

    private bool Has(StoredCheckpoint? found, string file) =>
        workers is null ? found!.Has(file) : workers.Broadcast(() => found!.Has(file));

    /// <summary>Brings networks, optimisers, averages, random numbers and the log back to a checkpoint.</summary>
    internal void Restore(StoredCheckpoint? found, Position position, Ema? ema)
    {
        using var scope = new Scope();
        setup.Objective.Model.LoadStateDict(Load(found, Files.Model));
        if (Has(found, Files.Objective))
            setup.Objective.LoadOwnStateDict(Load(found, Files.Objective));
        foreach (var phase in setup.Phases)
        {
            phase.Optimizer.LoadStateDict(Load(found, Files.Of(Files.Optimizer, phase)));
            if (Has(found, Files.Of(Files.Scaler, phase)))
                phase.Scaler?.LoadStateDict(Load(found, Files.Of(Files.Scaler, phase)));
        }
        ema?.LoadStateDict(Load(found, Files.Ema));
        // Of several processes each begins every step with random numbers of its own.
        if (workers is null)
            RandomState.From(Load(found, Files.Random)).Restore();
        Truncate(position.LogBytes);
        pictures?.DeleteAfter(position.Step);
        unreadable.Continue(log?.Lines ?? []);
    }

    /// <summary>Cuts the log off where a run goes on.</summary>
    internal void Truncate(long bytes) => log?.Truncate(bytes);

    /// <summary>Writes a checkpoint of networks, optimisers, averages and random numbers.</summary>
    /// <exception cref="InvalidOperationException">A parameter is not finite.</exception>
    internal void Save(Position position, Ema? ema)
    {
        if (Checkpoints is null)
            return;
        foreach (var (name, parameter) in setup.Objective.Model.NamedParameters())
            if (!NonFiniteLossException.IsFinite(parameter))
                throw new InvalidOperationException(
                    $"no checkpoint was written at step {position.Step}: parameter {name} is not finite; "
                        + "try a lower optimizer.lr or train.clip_grad=1"
                );
        log!.Flush();
        using var scope = new Scope();
        var files = new OrderedDictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            [Files.Model] = setup.Objective.Model.StateDict(),
            [Files.Random] = RandomState.Of(device).ToTensors(),
        };
        foreach (var phase in setup.Phases)
        {
            files[Files.Of(Files.Optimizer, phase)] = phase.Optimizer.StateDict();
            if (phase.Scaler is { } scaler)
                files[Files.Of(Files.Scaler, phase)] = scaler.StateDict();
        }
        if (ema is not null)
            files[Files.Ema] = ema.StateDict();
        if (setup.Objective.OwnStateDict() is { Count: > 0 } own)
            files[Files.Objective] = own;
        var path = Checkpoints.Save(position with { LogBytes = log.Length }, files);
        Checkpoints.Prune(setup.Options.Keep);
        Report(new CheckpointWritten(path));
    }

    /// <summary>Closes the log.</summary>
    public void Dispose() => log?.Dispose();

    // The names of a checkpoint's files; those of a method's only phase bear no name of a phase.
    private static class Files
    {
        internal const string Model = "model",
            Objective = "objective",
            Optimizer = "optimizer",
            Scaler = "scaler",
            Ema = "ema",
            Random = "random";

        internal static string Of(string file, PhaseSetup phase) => phase.Phase.Name.Length == 0 ? file : $"{file}-{phase.Phase.Name}";
    }
}
