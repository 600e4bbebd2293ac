using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Training.Objectives;

/// <summary>Which training method, with its settings.</summary>
public abstract record ObjectiveOptions
{
    /// <summary>Label smoothing that soft targets of mixed batches have to contain.</summary>
    public virtual double TargetSmoothing => 0;

    /// <summary>The kind of targets that the method learns from; null where it uses none.</summary>
    public virtual Type? TargetsType => typeof(ClassTargets);

    /// <summary>What the method demands of the rest of a recipe.</summary>
    public virtual IReadOnlyList<Need> Needs => [new Need.Views(1)];

    /// <summary>Builds the method.</summary>
    /// <exception cref="ArgumentException">The model does not have what the method needs.</exception>
    public abstract Objective Create(ObjectiveContext context);
}

/// <summary>What a training method may be built from.</summary>
/// <param name="Model">The model that is trained.</param>
/// <param name="Device">Where it computes.</param>
public sealed record ObjectiveContext(Module Model, Device Device)
{
    /// <summary>The model as a backbone.</summary>
    /// <exception cref="ArgumentException">The model is of another kind.</exception>
    public Models.Backbone Student =>
        Model as Models.Backbone ?? throw new ArgumentException($"this objective needs a backbone, not a {Model.GetType().Name}");

    /// <summary>Whether the model begins with weights of an earlier training.</summary>
    public bool Pretrained { get; init; }

    /// <summary>What it is trained on; null where that is not at hand.</summary>
    public ImageDataset? Data { get; init; }

    /// <summary>What happens to its images, in the first view.</summary>
    public IReadOnlyList<Transform> Augment { get; init; } = [];

    /// <summary>How many of its images may be unreadable.</summary>
    public UnreadableLimit UnreadableLimit { get; init; } = UnreadableLimit.Default;

    /// <summary>Classes of what it is trained on; null where the samples do not have one class each.</summary>
    public ClassLabels? Labels { get; init; }

    /// <summary>How its images are normalised.</summary>
    public Normalization Normalization { get; init; } = new([0, 0, 0], [1, 1, 1]);
}
