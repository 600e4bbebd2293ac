using Tessera.Training;

namespace Tessera.Cli.Rendering;

/// <summary>Progress as lines: one now and then, one for every evaluation.</summary>
internal sealed class PlainTrainingView(TextWriter to, TimeProvider clock) : TrainingView
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private long? shown;

    protected override void Show(TrainingEvent happened)
    {
        if (happened.Remark is { } remark)
            to.WriteLine(remark);
        switch (happened)
        {
            case Resumed resumed:
                to.WriteLine($"resumed at step {resumed.Step} from {resumed.Path}");
                foreach (var reason in resumed.Skipped)
                    to.WriteLine($"skipped {reason}");
                break;
            case StepDone step when shown is not { } before || clock.GetElapsedTime(before) >= Interval:
                shown = clock.GetTimestamp();
                to.WriteLine($"epoch {step.Epoch + 1}/{step.Epochs}  step {step.Step}/{step.Steps}  {Figures(step, "  ")}");
                break;
            case ImageUnreadable found when Line(found) is { } line:
                to.WriteLine(line);
                break;
            case Evaluated done:
                var train = TrainLoss is { } loss ? $"  train loss {Rendering.Figures.Loss(loss)}" : "";
                var averaged = done.Ema is { } ema ? $"  averaged weights: {Describe(ema)}" : "";
                var left = done.Metrics.Unreadable.Count is > 0 and var count ? $"  without {count} unreadable images" : "";
                to.WriteLine($"epoch {done.Epoch + 1} evaluated{train}  {Describe(done.Metrics)}{averaged}{left}");
                break;
        }
    }

    protected override void Stopping() => to.WriteLine("stopping after this step with a checkpoint; Ctrl-C again stops at once");

    private static string Describe(Metrics metrics) =>
        string.Join("  ", metrics.Headline.Select(row => $"{row.Name} {MetricsTable.Text(row)}"));
}
