using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Training.Recipes;
using Tessera.Training.Tasks;

namespace Tessera.Training.Objectives;

/// <summary>
/// A training method with its settings. Attributes declare the ranges of numbers; a recipe outside of them is refused with a
/// <see cref="Recipes.RecipeException"/> that names the field.
/// </summary>
[RecipePart("objective")]
public abstract record ObjectiveOptions
{
    /// <summary>Label smoothing that soft targets of mixed batches have to contain.</summary>
    public virtual double TargetSmoothing => 0;

    /// <summary>The kind of targets that the method learns from; null where it uses none.</summary>
    public virtual Type? TargetsType => typeof(ClassTargets);

    /// <summary>Names of the methods that learn from samples alone: they use no labels and can do without settings.</summary>
    internal static IEnumerable<string> WithoutLabels =>
        RecipeShape
            .Choices(typeof(ObjectiveOptions))
            .Where(choice => ByDefault(choice.Key, choice.Value) is { TargetsType: null })
            .Select(choice => choice.Key)
            .Order(StringComparer.Ordinal);

    // Null for a method that has no defaults, or that refuses them: it needs something beside the samples.
    private static ObjectiveOptions? ByDefault(string name, Type type)
    {
        if (!RecipeShape.Constructor(type).GetParameters().All(parameter => parameter.HasDefaultValue))
            return null;
        try
        {
            return (ObjectiveOptions?)RecipeBinder.Bind(type, new RecipeMap([], name), "objective");
        }
        catch (RecipeException)
        {
            return null;
        }
    }

    /// <summary>
    /// Samples of a class that a batch has, where a recipe leaves its order of the data open; null for a method that takes any order.
    /// </summary>
    public virtual int? Instances => null;

    /// <summary>The only order of the data that the method can learn from; null for a method that takes that of the recipe.</summary>
    public virtual Sampler? Order => null;

    /// <summary>Demands of the method on the rest of a recipe.</summary>
    public virtual IReadOnlyList<Need> Needs => [new Need.Views(1)];

    /// <summary>Builds the method around the model of the context.</summary>
    /// <exception cref="ArgumentException">The model does not have what the method needs.</exception>
    public abstract Objective Create(ObjectiveContext context);
}

/// <summary>Model, device and data that a training method can be built from.</summary>
/// <param name="Model">The model that is trained.</param>
/// <param name="Device">Device of the model, on which the method computes.</param>
public sealed record ObjectiveContext(Module Model, Device Device)
{
    /// <summary>The model as a backbone.</summary>
    /// <exception cref="ArgumentException">The model is of another kind.</exception>
    public Models.Backbone Student =>
        Model as Models.Backbone ?? throw new ArgumentException($"this objective needs a backbone, not a {Model.GetType().Name}");

    /// <summary>What the model is for; null where that is not known.</summary>
    public TaskKind? Task { get; init; }

    /// <summary>Whether the model begins with weights of an earlier training.</summary>
    public bool Pretrained { get; init; }

    /// <summary>Makes another model of the same structure with weights of its own, for a copy that follows the student; null where none
    /// can be made.</summary>
    public Func<Module>? Another { get; init; }

    /// <summary>Another backbone of the student's structure, on the device of the method.</summary>
    /// <exception cref="InvalidOperationException">The context cannot make one.</exception>
    public Models.Backbone Twin()
    {
        var twin = (Models.Backbone)
            (Another ?? throw new InvalidOperationException("this method needs ObjectiveContext.Another, which makes a second student"))();
        twin.To(Device);
        return twin;
    }

    /// <summary>Processes that train together; null for one.</summary>
    public Distributed.ProcessGroup? Group { get; init; }

    /// <summary>Samples of a step, over all processes and accumulated batches; 0 where that is not known.</summary>
    public int StepSamples { get; init; }

    /// <summary>What it is trained on; null where that is not at hand.</summary>
    public LoadableDataset? Data { get; init; }

    /// <summary>Name per class of the model; null where they are not known.</summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>Transforms of the training images in the first view.</summary>
    public IReadOnlyList<Transform> Augment { get; init; } = [];

    /// <summary>How many of its images may be unreadable.</summary>
    public UnreadableLimit UnreadableLimit { get; init; } = UnreadableLimit.Default;

    /// <summary>Classes of what it is trained on; null where the samples do not have one class each.</summary>
    public ClassLabels? Labels { get; init; }

    /// <summary>Ends long work of making a method, such as the answers of a teacher to all images.</summary>
    public CancellationToken Stop { get; init; }

    /// <summary>How its images are normalised where that is not the data's own mean and deviation; null where it is.</summary>
    public Normalization? OtherNormalization { get; init; }

    /// <summary>How its images are normalised.</summary>
    public Normalization Normalization { get; init; } = new([0, 0, 0], [1, 1, 1]);
}
