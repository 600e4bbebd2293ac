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
    private readonly List<string> notes = [];

    /// <summary>How many tensors were loaded, and a sentence for everything that nobody asked for, once the model is there.</summary>
    internal IReadOnlyList<string> Notes => notes;

    /// <summary>File of the weights, for messages.</summary>
    internal string Source => (recipe.Weights ?? recipe.Backbone?.Weights)?.File ?? "";

    /// <summary>The model, fresh or with the recipe's weights.</summary>
    /// <param name="load">False leaves the weights alone, where a checkpoint of the run will fill the model.</param>
    /// <exception cref="RunException">The folder of the weights holds no run that can be used.</exception>
    /// <exception cref="StateDictException">The weights are not those of this model.</exception>
    internal Model Create(bool load = true)
    {
        var (whole, under) = (recipe.Weights, recipe.Backbone?.Weights);
        if (whole is not null && under is not null)
            throw new RunException(
                $"model.weights ({whole.File}) holds the backbone too: model.backbone.weights ({under.File}) must be left out"
            );
        if (whole is not null && load)
            return Filled(recipe, whole, Build);
        var model = Build(options);
        if (under is not null && load && model is PyramidModel over)
            // They come at their own size, whatever their classes, before they are the backbone's.
            over.Backbone.LoadStateDict(
                Filled(recipe.Backbone!, under, built => recipe.Backbone!.Spec(built with { Classes = 0, Dense = true }).CreateBackbone())
                    .StateDict()
            );
        return model;
    }

    private Model Build(ModelOptions built) => task.Build(recipe.Spec(built));

    // With weights of a file or a run.
    private Model Filled(ModelRecipe part, WeightsFile weights, Func<ModelOptions, Model> build)
    {
        if (Directory.Exists(weights.File) && !WeightsFolder.Holds(weights.File))
            return FromRun(part, weights, build);
        if (part.WeightsEma)
            throw new RunException($"model.weights_ema needs a run folder in model.weights, and {weights.File} is not a folder");
        var native = recipe.Variant?.ImageSize;
        try
        {
            return Load(build(options), weights, part.NewHead);
        }
        catch (StateDictException) when (native is { } side && options.ImageSize is { } size && size != (side, side))
        {
            // Where the table alone does not tell which size it is for: that of the published weights.
            return Resize(Load(build(options with { ImageSize = (side, side) }), weights, part.NewHead));
        }
    }

    private Model FromRun(ModelRecipe part, WeightsFile weights, Func<ModelOptions, Model> build)
    {
        if (weights.IsPart)
            throw new RunException($"model.weights: key and prefix are for files, and {weights.File} is a run");
        var bundle = BundleFolder.Find(weights.File);
        var (content, newest) = bundle.Read();
        if (part != recipe && content.Model.Head is not null)
            throw new RunException(
                $"model.backbone.weights: {weights.File} is a run of {content.Model.Title}, and must be one of a backbone alone: "
                    + "a whole model goes to model.weights"
            );
        var newHead = part.NewHead ?? !content.Facts.Classes.SequenceEqual(facts.Classes);
        var path = bundle.WeightsPath(newest, ema: part.WeightsEma || weights.Ema == true);
        WeightsFile named = new(path, Partial: weights.Partial);
        return Resize(Load(build(options with { ImageSize = content.Model.Options.ImageSize }), named, newHead));
    }

    private Model Load(Model model, WeightsFile weights, bool? newHead)
    {
        var loaded = Loaded(model, weights, newHead);
        notes.Add($"{loaded.Loaded} of {loaded.Tensors} tensors loaded");
        notes.AddRange(loaded.Notes);
        if (newHead == true && model.Classes > 0)
        {
            model.ResetClassifier(model.Classes);
            if (loaded.ReplacedHead.Count == 0)
                notes.Add("the classifier starts fresh: its classes are not those of the weights, or model.new_head says so");
        }
        return model;
    }

    private static PretrainedReport Loaded(Model model, WeightsFile weights, bool? newHead)
    {
        var partial = weights.Partial == true;
        try
        {
            return model.Load(
                weights.File,
                new()
                {
                    Find = weights.Find,
                    ReplaceHead = newHead ?? true,
                    Partial = partial,
                }
            );
        }
        catch (StateDictException error) when (!partial && error.Report is { Missing.Count: > 0, Mismatched.Count: 0 })
        {
            throw error.With("weights: { file: ..., partial: true } takes what is there and leaves the rest as it is initialised");
        }
    }

    private Model Resize(Model model)
    {
        if (options.ImageSize is { } size && size != model.ImageSize)
            model.Resize(size.Height, size.Width);
        return model;
    }
}
