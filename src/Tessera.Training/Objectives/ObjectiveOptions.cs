using Tessera.Data;
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
    public LoadableDataset? Data { get; init; }

    /// <summary>Name per class of the model; null where they are not known.</summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>What happens to its images, in the first view.</summary>
    public IReadOnlyList<Transform> Augment { get; init; } = [];

    /// <summary>Share of its images that may be unreadable.</summary>
    public double UnreadableLimit { get; init; } = 0.01;

    /// <summary>How its images are normalised.</summary>
    public Normalization Normalization { get; init; } = new([0, 0, 0], [1, 1, 1]);
}
