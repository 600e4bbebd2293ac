using Tessera.Data;

namespace Tessera.Training;

/// <summary>How much an event matters. The numbers are those of Microsoft.Extensions.Logging's LogLevel.</summary>
public enum TrainingEventLevel
{
    /// <summary>Progress, many times in an epoch.</summary>
    Debug = 1,

    /// <summary>What belongs into every log: evaluations, checkpoints.</summary>
    Information = 2,

    /// <summary>Something out of the ordinary, with which the training goes on.</summary>
    Warning = 3,
}

/// <summary>Something that happened while training, for whoever watches.</summary>
public abstract record TrainingEvent
{
    /// <summary>How much it matters: by default a warning where there is a remark, else progress.</summary>
    public virtual TrainingEventLevel Level => Remark is null ? TrainingEventLevel.Debug : TrainingEventLevel.Warning;

    /// <summary>A line for people, where something out of the ordinary happened; else null.</summary>
    public virtual string? Remark => null;

    /// <summary>What happened, in one line for a log.</summary>
    public string Describe() => Message.OneLine(Text());

    /// <summary>What <see cref="Describe"/> gives.</summary>
    protected abstract string Text();

    /// <summary>A text in which numbers are written alike everywhere.</summary>
    private protected static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}

/// <summary>An event that a remark says all of.</summary>
public abstract record RemarkedEvent : TrainingEvent
{
    /// <inheritdoc/>
    public abstract override string Remark { get; }

    /// <inheritdoc/>
    protected override string Text() => Remark;
}

/// <summary>Something about the data that a user should know before the first step.</summary>
/// <param name="Remark">One line.</param>
public sealed record DataRemark(string Remark) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark { get; } = Remark;
}

/// <summary>Something about the method that a user should know: before the first step, or as training goes.</summary>
/// <param name="Step">Steps done so far.</param>
/// <param name="Remark">One line.</param>
public sealed record MethodRemark(long Step, string Remark) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark { get; } = Remark;
}

/// <summary>A step was done.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Epochs">In all.</param>
/// <param name="Step">Steps done so far, over all epochs.</param>
/// <param name="Steps">In all.</param>
/// <param name="Loss">Of this step.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="ImagesPerSecond">Over the last steps.</param>
/// <param name="Remaining">Time left, evaluations included.</param>
public sealed record StepDone(
    int Epoch,
    int Epochs,
    long Step,
    long Steps,
    double Loss,
    double LearningRate,
    double ImagesPerSecond,
    TimeSpan Remaining
) : TrainingEvent
{
    /// <inheritdoc/>
    protected override string Text() =>
        Invariant($"epoch {Epoch + 1} of {Epochs}, step {Step} of {Steps}: loss {Loss:0.0000}, learning rate {LearningRate:0.###e+0}, ")
        + Invariant($"{ImagesPerSecond:0} samples per second, {Remaining:d\\.hh\\:mm\\:ss} left");
}

/// <summary>An evaluation is under way.</summary>
/// <param name="Samples">Done so far.</param>
public sealed record Evaluating(int Samples) : TrainingEvent
{
    /// <inheritdoc/>
    protected override string Text() => Invariant($"{Samples} samples evaluated so far");
}

/// <summary>The model was evaluated.</summary>
/// <param name="Epoch">The epoch that has ended, from 0.</param>
/// <param name="Metrics">Of the weights.</param>
/// <param name="Ema">Of their moving average, where there is one.</param>
public sealed record Evaluated(int Epoch, Metrics Metrics, Metrics? Ema) : TrainingEvent
{
    /// <inheritdoc/>
    public override TrainingEventLevel Level => TrainingEventLevel.Information;

    /// <inheritdoc/>
    protected override string Text() =>
        Invariant($"epoch {Epoch + 1} evaluated on {Metrics.Count} samples: {Figures(Metrics)}")
        + (Ema is null ? "" : $"; averaged weights: {Figures(Ema)}");

    private static string Figures(Metrics metrics) => string.Join(", ", metrics.Headline.Select(row => row.Describe()));
}

/// <summary>A checkpoint was written.</summary>
/// <param name="Path">Its folder.</param>
public sealed record CheckpointWritten(string Path) : TrainingEvent
{
    /// <inheritdoc/>
    public override TrainingEventLevel Level => TrainingEventLevel.Information;

    /// <inheritdoc/>
    protected override string Text() => $"checkpoint written to {Path}";
}

/// <summary>Training goes on from a checkpoint.</summary>
/// <param name="Path">Its folder.</param>
/// <param name="Step">Steps done so far.</param>
/// <param name="Skipped">Newer checkpoints that could not be used, and why.</param>
/// <param name="Before">Processes that wrote it.</param>
/// <param name="Processes">Processes that go on from it.</param>
public sealed record Resumed(string Path, long Step, IReadOnlyList<string> Skipped, int Before = 1, int Processes = 1) : TrainingEvent
{
    /// <inheritdoc/>
    public override string? Remark =>
        Before == Processes
            ? null
            : $"written by {Before} {(Before == 1 ? "process" : "processes")}, going on with {Processes}: batches, "
                + "augmentation and learning rate stay the same; random numbers of the model (dropout) change";

    /// <inheritdoc/>
    public override TrainingEventLevel Level =>
        Remark is null && Skipped.Count == 0 ? TrainingEventLevel.Information : TrainingEventLevel.Warning;

    /// <inheritdoc/>
    protected override string Text() =>
        Invariant($"going on at step {Step} from {Path}")
        + (Skipped.Count == 0 ? "" : $"; newer checkpoints cannot be used: {string.Join("; ", Skipped)}")
        + (Remark is null ? "" : $"; {Remark}");
}

/// <summary>The model begins with weights of a file or run.</summary>
/// <param name="Path">The file or folder.</param>
/// <param name="Notes">
/// How many of the model's tensors they filled, and a sentence for everything that nobody asked for: which of several weights, a fresh
/// classifier.
/// </param>
public sealed record WeightsLoaded(string Path, IReadOnlyList<string> Notes) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark => $"weights of {Path}: {string.Join("; ", Notes)}";
}

/// <summary>A run goes on with data that is not what it began with, because it may.</summary>
/// <param name="Difference">What is different.</param>
public sealed record DataChanged(string Difference) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark => $"going on with changed data: {Difference}";
}

/// <summary>A run goes on that keeps no record of its data.</summary>
public sealed record DataUnknown : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark =>
        "the run began with an earlier version, which kept no record of the data: whether the data has changed since is unknown";
}

/// <summary>Figures of an evaluation are infinite or not a number.</summary>
/// <param name="Epoch">The epoch that has ended, from 0.</param>
/// <param name="Names">Names of the figures.</param>
public sealed record FiguresNotFinite(int Epoch, IReadOnlyList<string> Names) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark =>
        $"the evaluation after epoch {Epoch + 1} has figures that are not finite, which log.jsonl and results.json hold as null: "
        + string.Join(", ", Names);
}

/// <summary>Several processes train together, and the result is not that of one process.</summary>
/// <param name="Processes">How many.</param>
/// <param name="Reason">Why.</param>
public sealed record ProcessesDiffer(int Processes, string Reason) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark => $"the result with {Processes} processes differs from that of one: {Reason}";
}

/// <summary>Memory ran out, so fewer samples pass through the model at a time from now on. Steps still use whole batches.</summary>
/// <param name="Step">Steps done so far.</param>
/// <param name="Samples">That pass at a time at most.</param>
/// <param name="BatchStatistics">Whether the model normalises by statistics of what passes at a time: its results do depend on it.</param>
public sealed record MicroBatchHalved(long Step, int Samples, bool BatchStatistics) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark =>
        $"out of memory at step {Step}: from now on {Samples} samples pass at a time, the batch stays the same"
        + (BatchStatistics ? "; batch norms see only these parts, so results differ from those of whole batches" : "");
}

/// <summary>A step was left out because its loss or gradients were not finite.</summary>
/// <param name="Step">Steps done so far, this one included.</param>
/// <param name="InRow">How many in a row by now.</param>
/// <param name="Reason">What was found.</param>
public sealed record StepSkipped(long Step, int InRow, string Reason) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark => $"step {Step} was skipped ({InRow} in a row): {Reason}";
}

/// <summary>Training went back to a checkpoint because a loss or gradients were not finite.</summary>
/// <param name="Path">Folder of the checkpoint.</param>
/// <param name="From">Steps done when it happened.</param>
/// <param name="Step">Steps done at the checkpoint.</param>
/// <param name="Count">How often by now.</param>
/// <param name="Reason">What was found.</param>
public sealed record RolledBack(string Path, long From, long Step, int Count, string Reason) : RemarkedEvent
{
    /// <inheritdoc/>
    public override string Remark =>
        $"rolled back from step {From} to {Step} (rollback {Count}), continuing with the data after the bad batch: {Reason}";
}

/// <summary>Gradients overflowed in float16: the step was left out and the scale of the loss halved. Ordinary now and then.</summary>
/// <param name="Step">Steps done so far, this one included.</param>
/// <param name="Scale">From now on.</param>
public sealed record ScaleLowered(long Step, double Scale) : TrainingEvent
{
    /// <inheritdoc/>
    protected override string Text() => Invariant($"gradients overflowed at step {Step}: the scale of the loss is {Scale} from now on");
}

/// <summary>An image could not be read, the first time that this was seen.</summary>
/// <param name="Image">Which, and what is wrong with it.</param>
/// <param name="Split">Part of the data that it belongs to.</param>
/// <param name="Count">How many were found so far.</param>
public sealed record ImageUnreadable(UnreadableImage Image, string Split, int Count) : TrainingEvent
{
    /// <inheritdoc/>
    public override TrainingEventLevel Level => TrainingEventLevel.Warning;

    /// <inheritdoc/>
    protected override string Text() => $"{Image.Name} ({Split}) cannot be read: {Image.Problem}";
}
