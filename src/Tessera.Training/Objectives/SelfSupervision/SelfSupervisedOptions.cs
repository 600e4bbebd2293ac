using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>A method that compares two views of each image and uses no labels, with its settings.</summary>
public abstract record SelfSupervisedOptions : ObjectiveOptions
{
    /// <inheritdoc/>
    public sealed override Type? TargetsType => null;

    /// <inheritdoc/>
    public sealed override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(2),
            new Need.NoAuxiliaryLosses($"{Name} compares views of images, each in a pass of its own: auxiliary losses must be left out"),
            new Need.UnmixedImages(
                $"{Name} compares views of single images and uses no labels: mixtures are its own field unmix, where it has one"
            ),
        ];

    private string Name => RecipeShape.MessageName(GetType());
}
