using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Search.Results;

/// <summary>A found network in a folder of its own: a bundle, and the recipe by which <c>tessera train</c> trains it anew.</summary>
/// <param name="BundlePath">Folder of the bundle.</param>
/// <param name="RecipePath">The recipe.</param>
/// <param name="HasWeights">Whether the bundle has the weights that the search has trained; otherwise it has none.</param>
public sealed record SearchExport(string BundlePath, string RecipePath, bool HasWeights)
{
    /// <summary>Writes a network of a search.</summary>
    /// <param name="context">The search.</param>
    /// <param name="genome">The network.</param>
    /// <param name="folder">Where it goes; the folder must be empty or not there yet.</param>
    /// <exception cref="RunException">There is something in the folder.</exception>
    /// <exception cref="FormatException">The genome is none of the space.</exception>
    public static SearchExport Write(SearchContext context, string genome, string folder)
    {
        var place = Path.GetFullPath(folder);
        if (File.Exists(place) || (Directory.Exists(place) && Directory.EnumerateFileSystemEntries(place).Any()))
            throw new RunException($"{folder} is there already and not empty: choose another --out, or delete it first");
        var (bundle, recipe) = (Path.Combine(place, "bundle"), Path.Combine(place, "recipe.yaml"));
        using var scope = new Scope();
        var inherited = context.Recipe.Search.Inherited(genome, context);
        var content = Describe(context, genome, inherited is not null);
        if (inherited is null)
            new BundleFolder(bundle).Write(content, new RunFolder(place).Checkpoints);
        else
        {
            var network = context.Create(genome);
            network.LoadStateDict(inherited);
            new ModelBundle(network, content, bundle).Save(bundle);
        }
        RetrainingRecipe.Write(recipe, context, genome);
        return new(bundle, recipe, inherited is not null);
    }

    // As in the run of its training from scratch: the classes and normalisation of all training samples.
    private static BundleContent Describe(SearchContext context, string genome, bool trained)
    {
        var architecture = context.Recipe.Search.Network(genome, context);
        var training = RetrainingRecipe.Of(context, genome)[^1].Recipe;
        var data = context.Recipe.Data.OpenTraining();
        var task = TaskKind.DefaultFor(data);
        var facts = task.FactsOf(task.Prepare(data));
        return new(
            new(Architectures.NameOf(architecture), context.ModelOptions, Architecture: architecture),
            task,
            facts,
            training.EvaluationTransforms,
            Precision.Fp32,
            trained
        );
    }
}
