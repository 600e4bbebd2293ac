namespace Tessera.Models;

/// <summary>
/// The choices that make a classifier of a search space: a network that a search has found, or a supernet that holds many. Recipes and
/// bundles know them by the names in <see cref="Architectures"/>, and hold the choices themselves, so that a found network is trained,
/// stored and loaded like a model of the registry.
/// </summary>
public abstract record ArchitectureOptions
{
    /// <summary>A model with initial values.</summary>
    /// <param name="options">Classes, channels, size of the images and rates; null takes the architecture's own.</param>
    /// <exception cref="ArgumentException">The choices do not fit each other, or the images.</exception>
    public abstract Backbone Create(ModelOptions options);
}
