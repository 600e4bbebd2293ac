namespace Tessera.Models;

/// <summary>
/// Sizes and options of a head for another task than classification, from which it is built over any backbone. Recipes and bundles know
/// heads by the names in <see cref="Heads"/>.
/// </summary>
public abstract record HeadOptions
{
    /// <summary>A model with a fresh head.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="classes">Number of classes, at least 1.</param>
    public abstract Model Create(Backbone backbone, int classes);
}
