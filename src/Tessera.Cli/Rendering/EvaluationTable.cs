using Tessera.Training;

namespace Tessera.Cli.Rendering;

/// <summary>The figures of an evaluation, for people and for programs.</summary>
internal static class EvaluationTable
{
    /// <summary>Adds a row per figure.</summary>
    /// <param name="sheet">Of two columns, or of three with averaged weights.</param>
    /// <param name="own">Of the weights.</param>
    /// <param name="averaged">Of their moving average; null where there is none.</param>
    internal static void AddTo(Sheet sheet, Evaluation own, Evaluation? averaged = null)
    {
        Add("top-1", e => Figures.Percent(e.Top1));
        Add("top-5", e => Figures.Percent(e.Top5));
        Add("mean per class", e => Figures.Percent(e.MeanPerClass));
        Add("loss", e => Figures.Loss(e.Loss));
        Add("calibration error", e => Figures.Percent(e.Ece));
        Add("Brier score", e => Figures.Loss(e.Brier));
        Add("images", e => $"{e.Count:N0}");

        void Add(string name, Func<Evaluation, string> figure) =>
            sheet.Add(averaged is null ? [name, figure(own)] : [name, figure(own), figure(averaged)]);
    }

    /// <summary>An empty sheet for <see cref="AddTo"/>.</summary>
    internal static Sheet Sheet(string title, bool averaged = false) =>
        averaged ? new(new(title), new("weights", true), new("averaged", true)) : new(new(title), new("", true));

    /// <summary>Shares are fractions.</summary>
    internal static object Json(Evaluation e, IReadOnlyList<string> classes) =>
        new
        {
            e.Top1,
            e.Top5,
            e.MeanPerClass,
            e.Loss,
            e.Ece,
            e.Mce,
            e.Brier,
            e.Count,
            PerClass = classes.Zip(e.PerClass).ToDictionary(pair => pair.First, pair => pair.Second),
            e.Confusion,
        };
}
