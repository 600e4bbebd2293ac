using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models.Measurement;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Reports;
using Tessera.Training.Runs;

namespace Tessera.Cli.Comparison;

/// <summary>Trains models one after another by the same recipe, a run each.</summary>
/// <param name="Recipe">The recipe.</param>
/// <param name="Settings">Fields of it.</param>
/// <param name="Folder">Folder of the runs.</param>
internal sealed record TrainedRows(string Recipe, IReadOnlyList<string> Settings, string Folder)
{
    /// <summary>The section of a recipe that names the model.</summary>
    internal const string Model = "model";

    private readonly string part = PartOf(Recipe);

    /// <summary>The section of a recipe that names what differs from row to row: the model, or the backbone under its head.</summary>
    /// <exception cref="UserException">The recipe's model is none of the registry, and has none below it.</exception>
    internal static string PartOf(string recipe)
    {
        var model = Training.Experiments.Recipe.Load(recipe).Model;
        if (model.Generator is not null)
            throw new UserException($"--train {recipe}: it trains the generator {model.Name}, and models of the registry are compared");
        return model.Head is null ? Model : $"{Model}.backbone";
    }

    /// <summary>A complete run of another recipe would be taken for this one.</summary>
    /// <exception cref="UserException">There is one for one of the models.</exception>
    internal void Check(IEnumerable<string> models)
    {
        foreach (var model in models)
        {
            var run = RunOf(model);
            if (run.Exists && Differences(run, SettingsOf(model)) is { Count: > 0 } fields)
                throw new UserException(
                    $"--out: {run.Path} holds a run of another recipe (different: {string.Join(", ", fields.Take(3))}); "
                        + "choose another folder"
                );
        }
    }

    private RunFolder RunOf(string model) => new(Path.Combine(Folder, model));

    private string[] SettingsOf(string model) => [.. Settings, $"{part}.name={model}"];

    /// <summary>Trains a model, goes on with its run, or takes its figures when it is complete.</summary>
    /// <param name="model">Its name.</param>
    /// <param name="terminal">Where progress goes.</param>
    /// <param name="stop">Ends it with a checkpoint.</param>
    internal TrainedRow Train(string model, Terminal terminal, CancellationToken stop)
    {
        var run = RunOf(model);
        var view = TrainingView.For(terminal);
        using var experiment = run.Exists
            ? Experiment.Resume(run.Path, view.Handle, stop: stop)
            : Experiment.Begin(Recipe, SettingsOf(model), run.Path, view.Handle, stop: stop);
        if (experiment.Recipe.Train.Threads == 0)
            Torch.Threads = ThreadLimit.Here.Count;
        if (!File.Exists(run.ResultsPath))
        {
            var result = view.Run(() => experiment.Train(stop));
            if (!result.Completed)
                throw new OperationCanceledException(stop);
        }
        return new(
            RunSummary.Of(run.Path),
            experiment.Recipe.Model.Options(experiment.Facts.ModelDefaults),
            experiment.Recipe.Model.Head is null ? null : ModelCost.Count(experiment.Model)
        );
    }

    private List<string> Differences(RunFolder run, string[] settings)
    {
        var wanted = Training.Experiments.Recipe.Load(Recipe, settings).ToYaml().Split('\n');
        var present = Training.Experiments.Recipe.Load(run.RecipePath).ToYaml().Split('\n');
        return [.. wanted.Except(present).Select(line => line.Trim().Split(':')[0]).Distinct()];
    }
}
