using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Retrieval;

/// <summary>A method that learns descriptors, with its settings. The task says which descriptor that is, since it measures the
/// same.</summary>
public abstract record RetrievalOptions : ObjectiveOptions
{
    /// <inheritdoc/>
    public sealed override IReadOnlyList<Need> Needs =>
        [new Need.Views(1), new Need.UnmixedImages($"{Name} compares images by their classes, of which a mixture has two")];

    private string Name => RecipeShape.MessageName(GetType());

    /// <summary>The descriptor of the task.</summary>
    /// <exception cref="ArgumentException">The task is another.</exception>
    protected Func<Backbone, Tensor, Tensor> DescriptorOf(ObjectiveContext context) =>
        context.Task?.Descriptor
        ?? throw new ArgumentException(
            $"objective {Name} needs a task that measures descriptors (task: retrieval), not {context.Task?.Name ?? "none"}"
        );
}
