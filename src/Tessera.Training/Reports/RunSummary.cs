using Tessera.Training.Recipes;
using Tessera.Training.Runs;

namespace Tessera.Training.Reports;

/// <summary>The outcome of a run, read from its recipe and its log.</summary>
/// <param name="Path">Folder of the run.</param>
/// <param name="Fields">Fields of the resolved recipe by their path, as <c>optimizer.lr</c>, with their values as written.</param>
/// <param name="Epochs">Number of epochs begun.</param>
/// <param name="Steps">Number of steps done.</param>
/// <param name="Primary">Name of the primary score; null before the first evaluation.</param>
/// <param name="IsShare">Whether that score is a fraction.</param>
/// <param name="Best">Best primary score of an evaluation, in its direction.</param>
/// <param name="Last">Primary score of the last evaluation.</param>
/// <param name="LastEma">Last primary score of the averaged weights; null without averaging.</param>
/// <param name="LastLoss">Loss of the last evaluation.</param>
/// <param name="TrainLoss">Loss of training, last line of the log.</param>
/// <param name="ImagesPerSecond">Median over the lines of the log.</param>
/// <param name="Seconds">Time of training without evaluations.</param>
internal sealed record RunSummary(
    string Path,
    IReadOnlyDictionary<string, string> Fields,
    long Epochs,
    long Steps,
    string? Primary,
    bool IsShare,
    double? Best,
    double? Last,
    double? LastEma,
    double? LastLoss,
    double? TrainLoss,
    double? ImagesPerSecond,
    double Seconds
)
{
    /// <summary>The log as curves.</summary>
    internal RunCurves Curves { get; init; } = new([]);

    /// <summary>Reads a run.</summary>
    /// <exception cref="RunException">The folder holds no run.</exception>
    public static RunSummary Of(string folder)
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: this folder holds no run ({System.IO.Path.GetFileName(run.RecipePath)} is missing)");
        var fields = new OrderedDictionary<string, string>();
        foreach (var (name, _, node) in RecipeReader.Read(File.ReadAllText(run.RecipePath), run.RecipePath).Fields)
            Flatten(name, node, fields);
        var curves = new RunCurves(RunLog.Read(run.LogPath));
        var measured = curves.Evaluations is [.., var newest] ? newest : null;
        var primary = (string?)measured?[RunLog.Primary];
        double[] scores = primary is null ? [] : [.. curves.OfEvaluations(primary).Select(p => p.Y)];
        var higher = (bool?)measured?[RunLog.HigherIsBetter] ?? true;
        double[] rates = [.. curves.OfSteps("images_per_second").Select(p => p.Y).Where(rate => rate > 0).Order()];
        var last = curves.Steps.Concat(curves.Evaluations).MaxBy(line => (long)line["step"]!);
        return new(
            folder,
            fields,
            (long?)last?["epoch"] ?? 0,
            (long?)last?["step"] ?? 0,
            primary,
            (bool?)measured?[RunLog.IsShare] ?? false,
            scores.Length == 0 ? null
                : higher ? scores.Max()
                : scores.Min(),
            scores.Length > 0 ? scores[^1] : null,
            primary is null ? null : LastOf(curves.OfEvaluations($"ema_{primary}")),
            LastOf(curves.OfEvaluations("loss")),
            LastOf(curves.OfSteps("loss")),
            rates.Length > 0 ? rates[rates.Length / 2] : null,
            curves.OfSteps("seconds").Sum(p => p.Y)
        )
        {
            Curves = curves,
        };
    }

    /// <summary>The recipe fields that differ between runs, with the value in each run; null where a run has no such field.</summary>
    public static IReadOnlyList<(string Field, IReadOnlyList<string?> Values)> Differences(IReadOnlyList<RunSummary> runs) =>
        [
            .. runs.SelectMany(run => run.Fields.Keys)
                .Distinct()
                .Select(field => (field, (IReadOnlyList<string?>)[.. runs.Select(run => run.Fields.GetValueOrDefault(field))]))
                .Where(row => row.Item2.Distinct().Count() > 1),
        ];

    private static double? LastOf(IReadOnlyList<(double X, double Y)> points) => points.Count > 0 ? points[^1].Y : null;

    private static void Flatten(string path, RecipeNode node, OrderedDictionary<string, string> fields)
    {
        if (node is RecipeMap map)
            foreach (var (name, _, inner) in map.Fields)
                Flatten($"{path}.{name}", inner, fields);
        else
            fields[path] = Text(node);
    }

    private static string Text(RecipeNode node) =>
        node switch
        {
            RecipeValue value => value.Text,
            RecipeList list => $"[{string.Join(", ", list.Items.Select(Text))}]",
            RecipeMap { Fields: [var (name, _, inner)] } => $"{name}: {Text(inner)}",
            RecipeMap map => $"{{ {string.Join(", ", map.Fields.Select(field => $"{field.Name}: {Text(field.Node)}"))} }}",
            _ => node.Kind,
        };
}
