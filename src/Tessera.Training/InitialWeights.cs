using Tessera.Checkpoints;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Builds the model of a recipe with the weights that it begins with.</summary>
internal static class InitialWeights
{
    /// <summary>The model, fresh or with the recipe's weights.</summary>
    /// <param name="recipe">Which model, and which weights.</param>
    /// <param name="facts">The data that it is for.</param>
    /// <param name="load">False leaves the weights alone, where a checkpoint of the run will fill the model.</param>
    /// <exception cref="RunException">The folder of the weights holds no run that can be used.</exception>
    /// <exception cref="StateDictException">The weights are not those of this model.</exception>
    internal static Backbone Create(ModelRecipe recipe, DataFacts facts, bool load = true)
    {
        var options = recipe.Options(facts);
        if (recipe.Weights is not { } path || !load)
            return Registry.Create(recipe.Name, options);
        if (Directory.Exists(path))
            return FromRun(recipe, options, facts, path);
        if (recipe.WeightsEma)
            throw new RunException($"model.weights_ema chooses among the weights of a run, and {path} is no run folder");
        var native = Registry.Get(recipe.Name).ImageSize;
        try
        {
            return Loaded(recipe, options, path);
        }
        catch (StateDictException) when (options.ImageSize is { } size && size != (native, native))
        {
            // Where the table alone does not tell which size it is for: that of the published weights.
            return Resized(Loaded(recipe, options with { ImageSize = (native, native) }, path), options);
        }
    }

    private static Backbone FromRun(ModelRecipe recipe, ModelOptions options, DataFacts facts, string folder)
    {
        var checkpoint = TrainedModel.CheckpointOf(folder, ema: recipe.WeightsEma);
        var run = new RunFolder(folder);
        var known = run.ReadFacts();
        var source = Recipe.Load(run.RecipePath).Model.Options(known);
        var model = Loaded(
            recipe with
            {
                NewHead = recipe.NewHead ?? !known.Classes.SequenceEqual(facts.Classes),
            },
            options with
            {
                ImageSize = source.ImageSize,
            },
            checkpoint.FileOf(recipe.WeightsEma ? "ema" : "model")
        );
        return Resized(model, options);
    }

    private static Backbone Loaded(ModelRecipe recipe, ModelOptions options, string path)
    {
        var model = Registry.Create(recipe.Name, options);
        Pretrained.Load(model, path, new() { ReplaceHead = recipe.NewHead ?? true });
        if (recipe.NewHead == true)
            model.ResetClassifier(model.Classes);
        return model;
    }

    private static Backbone Resized(Backbone model, ModelOptions options)
    {
        if (options.ImageSize is { } size && size != model.ImageSize)
            model.Resize(size.Height, size.Width);
        return model;
    }
}
