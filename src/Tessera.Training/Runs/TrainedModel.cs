using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>A model with the weights of a run, ready to predict.</summary>
/// <param name="Model">In evaluation mode.</param>
/// <param name="Recipe">What it was trained by.</param>
/// <param name="Facts">The data that it knows.</param>
/// <param name="Checkpoint">Where its weights are from.</param>
public sealed record TrainedModel(Backbone Model, Recipe Recipe, DataFacts Facts, StoredCheckpoint Checkpoint)
{
    /// <summary>What happens to images before it sees them.</summary>
    public Pipeline Pipeline => Recipe.EvaluationPipeline(Model, Facts);

    /// <summary>Loads a run.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="device">Where it shall compute; the CPU by default.</param>
    /// <param name="best">Takes the checkpoint of the highest accuracy instead of the newest.</param>
    /// <param name="ema">Takes the moving average of the weights.</param>
    /// <exception cref="RunException">There is no run, or no usable checkpoint in it.</exception>
    public static TrainedModel FromRun(string folder, Device? device = null, bool best = false, bool ema = false)
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: there is no run (no {Path.GetFileName(run.RecipePath)})");
        var recipe = Recipe.Load(run.RecipePath);
        var checkpoint = CheckpointOf(folder, best, ema);
        var facts = run.ReadFacts();
        using var fresh = Nn.Init.Skip();
        var model = Registry.Create(recipe.Model.Name, recipe.Model.Options(facts));
        using (new Scope())
            model.LoadStateDict(checkpoint.Load(ema ? "ema" : "model"));
        model.To(device ?? Device.Cpu);
        model.Eval();
        return new(model, recipe, facts, checkpoint);
    }

    /// <summary>The checkpoint of a run whose weights are used.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="best">The one of the highest accuracy instead of the newest.</param>
    /// <param name="ema">One that has the moving average of the weights.</param>
    /// <exception cref="RunException">There is no run, or no usable checkpoint in it.</exception>
    public static StoredCheckpoint CheckpointOf(string folder, bool best = false, bool ema = false)
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: there is no run (no {Path.GetFileName(run.RecipePath)})");
        var skipped = new List<string>();
        var checkpoint = (best ? run.Checkpoints.Best() : run.Checkpoints.Newest(skipped.Add))
            ?? throw new RunException(
                skipped.Count == 0
                    ? $"{folder}: the run has no checkpoint yet"
                    : $"{folder}: no checkpoint can be used: {string.Join("; ", skipped)}"
            );
        if (ema && !checkpoint.Has("ema"))
            throw new RunException($"{folder}: the run has no moving average of the weights (train.ema)");
        return checkpoint;
    }
}

/// <summary>What a model has to know of the data that it is used on.</summary>
/// <param name="Classes">Name per class.</param>
/// <param name="Channels">Of the images; 1 for texts.</param>
/// <param name="Height">Of the images; null when they differ. Words of a text.</param>
/// <param name="Width">Of the images; null when they differ. 1 for texts.</param>
/// <param name="Mean">Per channel, of values in [0, 1].</param>
/// <param name="Deviation">Per channel.</param>
/// <param name="Words">Words by id; null for images.</param>
public sealed record DataFacts(
    IReadOnlyList<string> Classes,
    int Channels,
    int? Height,
    int? Width,
    IReadOnlyList<float> Mean,
    IReadOnlyList<float> Deviation,
    IReadOnlyList<string>? Words = null
)
{
    /// <summary>Those of a data set of images or of encoded texts.</summary>
    public static DataFacts Of(Dataset data) =>
        data switch
        {
            ImageDataset images => new(
                images.ClassNames,
                images.Channels,
                images.Height,
                images.Width,
                images.Normalization.Mean,
                images.Normalization.Deviation
            ),
            EncodedText texts => new(texts.ClassNames, 1, texts.Length, 1, [0], [1], texts.Vocabulary.Words),
            _ => throw new ArgumentException($"{data.GetType().Name} is neither of images nor of encoded texts", nameof(data)),
        };

    /// <summary>Mean and deviation of the training images.</summary>
    public Normalization Normalization => new(Mean, Deviation);
}

/// <summary>A run that cannot be used; the message is one line.</summary>
public sealed class RunException(string message) : Exception(message);
