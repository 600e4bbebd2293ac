using Tessera.Data.Transforms;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>A demand of a method on the rest of a recipe.</summary>
public abstract record Need
{
    /// <summary>Why the recipe does not have it; null where it does.</summary>
    public abstract string? Unmet(NeedContext parts);

    /// <summary>The images of a batch are not mixed with each other.</summary>
    /// <param name="Reason">Why the method cannot use mixed images.</param>
    public sealed record UnmixedImages(string Reason) : Need
    {
        /// <inheritdoc/>
        public override string? Unmet(NeedContext parts) =>
            parts.Augment.FirstOrDefault(transform => transform is Mixup or CutMix) is { } mixing
                ? $"{TransformRegistry.NameOf(mixing)} in augment: {Reason}"
                : null;
    }

    /// <summary>
    /// An image is the same in every epoch but for mirroring, or is cut out of the whole image in a way that can be repeated on maps.
    /// </summary>
    /// <param name="Obstacle">
    /// Gives the reason why a list of transforms makes images differ, in a sentence; null where they do not differ.
    /// </param>
    public sealed record RepeatableImages(Func<IReadOnlyList<Transform>, string?> Obstacle) : Need
    {
        /// <inheritdoc/>
        public override string? Unmet(NeedContext parts) => Obstacle(parts.Augment);
    }

    /// <summary>There are no auxiliary losses, which need a pass of the student over whole images.</summary>
    /// <param name="Reason">Why the method has no such pass.</param>
    public sealed record NoAuxiliaryLosses(string Reason) : Need
    {
        /// <inheritdoc/>
        public override string? Unmet(NeedContext parts) => parts.AuxiliaryLosses > 0 ? Reason : null;
    }

    /// <summary>No moving average of the weights.</summary>
    /// <param name="Reason">The reason why the weights cannot be averaged.</param>
    public sealed record NoAverage(string Reason) : Need
    {
        /// <inheritdoc/>
        public override string? Unmet(NeedContext parts) => parts.Averages ? Reason : null;
    }

    /// <summary>So many views of every image (<c>augment: { views: [ ..., ... ] }</c>).</summary>
    /// <param name="Count">Number of views, at least 1.</param>
    public sealed record Views(int Count) : Need
    {
        /// <inheritdoc/>
        public override string? Unmet(NeedContext parts) =>
            parts.Views == Count ? null
            : Count == 1 ? $"augment must have one view, not {parts.Views}"
            : $"augment must have {Count} views, not {parts.Views}: {{ views: [ ... ] }} with {Count} lists";
    }
}

/// <summary>The parts of a recipe that needs are about.</summary>
/// <param name="Augment">Transforms of the first view.</param>
/// <param name="Views">Number of views of every image.</param>
/// <param name="AuxiliaryLosses">Number of auxiliary losses.</param>
/// <param name="Averages">Whether the weights are averaged (<c>train.ema</c>).</param>
public sealed record NeedContext(IReadOnlyList<Transform> Augment, int Views, int AuxiliaryLosses, bool Averages);
