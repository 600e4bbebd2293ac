using System.Text.Json;
using Tessera.Models.Measurement;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Runs;

namespace Tessera.Search.Results;

/// <summary>A network that the search has not found, measured on the images that its candidates are scored on.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Cost">What it costs.</param>
/// <param name="Score">Its primary score.</param>
public sealed record ComparedNetwork(string Name, CandidateCost Cost, double Score)
{
    private const string FileName = "hand-made.json";

    /// <summary>The networks that the recipe names. They are measured once, and then read from the search's folder.</summary>
    /// <param name="context">The search.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="RunException">There is no such run or bundle.</exception>
    internal static IReadOnlyList<ComparedNetwork> Of(SearchContext context, CancellationToken stop)
    {
        var path = Path.Combine(context.Folder, FileName);
        if (context.Recipe.HandMade is not { } folders)
            return [];
        if (File.Exists(path))
            return JsonSerializer.Deserialize<ComparedNetwork[]>(File.ReadAllBytes(path), RunFolder.Json)!;
        ComparedNetwork[] measured = [.. folders.Select(folder => Measure(context, folder, stop))];
        RunFolder.Write(path, JsonSerializer.Serialize(measured, RunFolder.Json));
        return measured;
    }

    private static ComparedNetwork Measure(SearchContext context, string folder, CancellationToken stop)
    {
        using var scope = new Scope();
        var bundle = ModelBundle.Load(folder);
        bundle.RequireClassifier();
        var source = context.SearchData;
        var data = bundle.Task.Prepare(source.Open(DataRecipe.HeldOut, stop), bundle.Facts);
        var metrics = new BundleMeasurement(bundle, data, source.Batch, source.Unreadable).Run(stop: stop);
        var cost = ModelCost.Count(bundle.Model);
        return new(Path.GetFileName(folder.TrimEnd('/')), new(cost.Macs, cost.Parameters), metrics.Score.Value);
    }
}
