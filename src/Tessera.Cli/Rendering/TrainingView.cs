using Tessera.Cli.Shell;
using Tessera.Training;
using Tessera.Training.Loop;

namespace Tessera.Cli.Rendering;

/// <summary>Shows the progress of a training.</summary>
internal abstract class TrainingView
{
    /// <summary>Unreadable images that are shown one by one; of the others only the number is.</summary>
    protected const int MostUnreadable = 5;

    private double lossSum;
    private int lossCount;

    /// <summary>Drawn on a terminal, lines elsewhere, nothing when quiet.</summary>
    internal static TrainingView For(Terminal terminal) =>
        terminal.IsDrawn ? new LiveTrainingView(terminal.Drawing)
        : terminal.Quiet ? new SilentTrainingView()
        : new PlainTrainingView(terminal.Text, TimeProvider.System);

    /// <summary>The last step that was reported.</summary>
    protected StepDone? Last { get; private set; }

    /// <summary>Mean loss of the steps since the last evaluation; null where there were none.</summary>
    protected double? TrainLoss => lossCount == 0 ? null : lossSum / lossCount;

    /// <summary>What a sample costs, and what the machine can; null where it is not known.</summary>
    internal Arithmetic? Arithmetic { get; set; }

    /// <summary>What the samples are.</summary>
    internal string Samples { get; set; } = "images";

    /// <summary>Whether Ctrl-C was pressed. May be set from another thread.</summary>
    internal void AnnounceStop() => Stopping();

    /// <summary>Called with everything that happens, on the thread that trains.</summary>
    internal void Handle(TrainingEvent happened)
    {
        if (happened is StepDone step)
        {
            Last = step;
            lossSum += step.Loss;
            lossCount++;
        }
        Show(happened);
        if (happened is Evaluated)
            (lossSum, lossCount) = (0, 0);
    }

    /// <summary>Shows progress while the work runs.</summary>
    internal virtual T Run<T>(Func<T> work) => work();

    protected abstract void Show(TrainingEvent happened);

    protected virtual void Stopping() { }

    /// <summary>A line on an image that cannot be read; null where enough of them were shown.</summary>
    protected static string? Line(ImageUnreadable found) =>
        found.Count < MostUnreadable ? $"{found.Image.Name} cannot be read: {found.Image.Problem}"
        : found.Count == MostUnreadable
            ? $"{found.Image.Name} cannot be read: {found.Image.Problem}; only log.jsonl and the report list further images"
        : null;

    /// <summary>Loss, what else the method watches, learning rate, speed and time left, in that order.</summary>
    protected string Figures(StepDone step, string between)
    {
        string[] parts =
        [
            $"loss {Rendering.Figures.Loss(step.Loss)}",
            .. step.Watched.Select(figure => $"{figure.Name} {MetricsTable.Text(figure)}"),
            $"lr {Rendering.Figures.Rate(step.LearningRate)}",
            $"{step.ImagesPerSecond:0} {Samples}/s",
            .. Arithmetic is { } cost ? [Rendering.Figures.Speed(cost, step.ImagesPerSecond)] : Array.Empty<string>(),
            $"{Rendering.Figures.Time(step.Remaining)} left",
        ];
        return string.Join(between, parts);
    }
}

/// <summary>Shows nothing.</summary>
internal sealed class SilentTrainingView : TrainingView
{
    protected override void Show(TrainingEvent happened) { }
}
