namespace Tessera.Models;

/// <summary>
/// Sizes and options of a model that makes images. Recipes and bundles know generators by the names in <see cref="Generators"/>.
/// </summary>
public abstract record GeneratorOptions
{
    /// <summary>A generator with initial values.</summary>
    /// <param name="images">Channels and size of the images; null takes the generator's own. A generator looks at nothing else.</param>
    /// <exception cref="ArgumentException">It cannot make such images.</exception>
    public abstract ImageGenerator Create(ModelOptions images);

    /// <summary>Side and channels of images of the published generators: square ones, of 32 pixels and three channels by default.</summary>
    private protected static (int Side, int Channels) Square(ModelOptions images)
    {
        var (height, width) = images.ImageSize ?? (32, 32);
        return height == width
            ? (height, images.Channels ?? 3)
            : throw new ArgumentException($"images of a generator must be square, not {height}x{width}", nameof(images));
    }
}
