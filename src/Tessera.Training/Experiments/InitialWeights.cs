using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>Builds the model of a recipe with the weights that it begins with.</summary>
/// <param name="recipe">Which model, and which weights.</param>
/// <param name="task">What the model is for.</param>
/// <param name="facts">The data that it is for.</param>
internal sealed class InitialWeights(ModelRecipe recipe, TaskKind task, DataFacts facts)
{
    private readonly ModelOptions options = recipe.Options(facts.ModelDefaults);

    /// <summary>A sentence for everything that loading did and nobody asked for, once the model is there.</summary>
    internal IReadOnlyList<string> Notes { get; private set; } = [];

    /// <summary>The model, fresh or with the recipe's weights.</summary>
    /// <param name="load">False leaves the weights alone, where a checkpoint of the run will fill the model.</param>
    /// <exception cref="RunException">The folder of the weights holds no run that can be used.</exception>
    /// <exception cref="StateDictException">The weights are not those of this model.</exception>
    internal Backbone Create(bool load = true)
    {
        if (recipe.Weights is not { } weights || !load)
            return task.CreateModel(recipe.Name, options);
        if (Directory.Exists(weights.File) && !WeightsFolder.Holds(weights.File))
            return FromRun(weights);
        if (recipe.WeightsEma)
            throw new RunException($"model.weights_ema needs a run folder in model.weights, and {weights.File} is not a folder");
        var native = Registry.Get(recipe.Name).ImageSize;
        try
        {
            return Load(options, weights, recipe.NewHead);
        }
        catch (StateDictException) when (options.ImageSize is { } size && size != (native, native))
        {
            // Where the table alone does not tell which size it is for: that of the published weights.
            return Resize(Load(options with { ImageSize = (native, native) }, weights, recipe.NewHead));
        }
    }

    private Backbone FromRun(WeightsFile weights)
    {
        if (weights.IsPart)
            throw new RunException($"model.weights: key and prefix are for files, and {weights.File} is a run");
        var bundle = BundleFolder.Find(weights.File);
        var (content, named) = bundle.Read();
        var newHead = recipe.NewHead ?? !content.Facts.Classes.SequenceEqual(facts.Classes);
        var path = bundle.WeightsPath(named, ema: recipe.WeightsEma || weights.Ema == true);
        return Resize(Load(options with { ImageSize = content.Options.ImageSize }, path, newHead));
    }

    private Backbone Load(ModelOptions built, WeightsFile weights, bool? newHead)
    {
        var model = task.CreateModel(recipe.Name, built);
        var loaded = model.Load(weights.File, new() { Find = weights.Find, ReplaceHead = newHead ?? true });
        Notes = loaded.Notes;
        if (newHead == true)
        {
            model.ResetClassifier(model.Classes);
            if (loaded.ReplacedHead.Count == 0)
                Notes = [.. Notes, "the classifier starts fresh: its classes are not those of the weights, or model.new_head says so"];
        }
        return model;
    }

    private Backbone Resize(Backbone model)
    {
        if (options.ImageSize is { } size && size != model.ImageSize)
            model.Resize(size.Height, size.Width);
        return model;
    }
}
