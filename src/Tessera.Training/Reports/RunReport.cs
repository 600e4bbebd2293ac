using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Reports;

/// <summary>What a report shows of a finished run.</summary>
/// <param name="Metrics">Of the last weights.</param>
/// <param name="Ema">Of their moving average, where there is one.</param>
/// <param name="Sections">Of the task.</param>
/// <param name="Classes">Name per class.</param>
/// <param name="Parameters">Of the model.</param>
/// <param name="Samples">What the samples are called.</param>
internal sealed record RunResults(
    Metrics Metrics,
    Metrics? Ema,
    IReadOnlyList<ReportSection> Sections,
    IReadOnlyList<string> Classes,
    long Parameters,
    string Samples
)
{
    /// <summary>Figures of training steps that are drawn over the epochs.</summary>
    public IReadOnlyList<MetricCurve> Watched { get; init; } = [];
}

/// <summary>The report of a run.</summary>
internal static class RunReport
{
    /// <summary>Beginning of the first line of a resolved recipe, behind which the command stands.</summary>
    internal const string RecipeHead = "# The resolved recipe of ";

    internal static string Render(RunFolder run, string title, RunResults results)
    {
        var yaml = File.ReadAllText(run.RecipePath);
        return ReportPage.Render(new(title, yaml, Command(run, yaml), RunLog.Read(run.LogPath), results, RunEnvironment.Describe()));
    }

    private static string Command(RunFolder run, string yaml)
    {
        var first = yaml.Split('\n', 2)[0];
        return first.StartsWith(RecipeHead, StringComparison.Ordinal) ? first[RecipeHead.Length..] : $"tessera train {run.RecipePath}";
    }
}
