using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>A discriminator that a recipe can choose by name (<c>discriminator: stylegan2</c>).</summary>
[RecipePart("discriminator")]
public abstract record DiscriminatorOptions
{
    /// <summary>Builds it for the images of a generator.</summary>
    /// <param name="side">Height and width of the images.</param>
    /// <param name="channels">Channels of the images.</param>
    /// <exception cref="ArgumentException">It cannot see such images.</exception>
    public abstract Discriminator Create(int side, int channels);
}
