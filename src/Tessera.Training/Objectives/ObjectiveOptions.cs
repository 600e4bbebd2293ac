using Tessera.Models;

namespace Tessera.Training;

/// <summary>Which training method, with its settings.</summary>
public abstract record ObjectiveOptions
{
    /// <summary>Label smoothing that soft targets of mixed batches have to contain.</summary>
    public virtual double TargetSmoothing => 0;

    /// <summary>Builds the method.</summary>
    /// <exception cref="ArgumentException">The student has not what the method needs.</exception>
    public abstract Objective Create(ObjectiveContext context);

    /// <summary>Why the method cannot go with the rest of a recipe; null where it can.</summary>
    public virtual string? Conflict(Recipe recipe) => null;

    /// <summary>Why a method that sees whole batches of single images refuses augmentation that mixes them; null where none is there.</summary>
    private protected static string? Mixing(Recipe recipe, string reason) =>
        recipe.Augment.FirstOrDefault(transform => transform is Data.Mixup or Data.CutMix) is { } mixing
            ? $"{RecipeShape.ChoiceName(mixing.GetType())} in augment: {reason}"
            : null;
}

/// <summary>What a training method may be built from.</summary>
/// <param name="Student">The model that is trained.</param>
/// <param name="Device">Where it computes.</param>
public sealed record ObjectiveContext(Backbone Student, Device Device)
{
    /// <summary>Whether the student begins with weights of an earlier training.</summary>
    public bool Pretrained { get; init; }

    /// <summary>What it is trained on; null where that is not at hand.</summary>
    public Tessera.Data.ImageDataset? Data { get; init; }

    /// <summary>What happens to its images.</summary>
    public IReadOnlyList<Data.Transform> Augment { get; init; } = [];

    /// <summary>Share of its images that may be unreadable.</summary>
    public double UnreadableLimit { get; init; } = 0.01;

    /// <summary>How its images are normalised.</summary>
    public Tessera.Data.Normalization Normalization { get; init; } = new([0, 0, 0], [1, 1, 1]);
}
