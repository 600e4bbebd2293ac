namespace Tessera.Models;

/// <summary>
/// What a model is built from: a backbone of the registry or of a search space, its options, and perhaps a head for another task over it;
/// or a generator.
/// </summary>
/// <param name="Name">
/// Name of the backbone in <see cref="Registry"/> or <see cref="Architectures"/>, or of the generator in <see cref="Generators"/>.
/// </param>
/// <param name="Options">
/// What was chosen of the backbone; with a head, its classes are the head's. Of a generator, channels and size of its images.
/// </param>
/// <param name="Head">The head; null for the backbone with its own classifier.</param>
/// <param name="Generator">What a generator is built with; null for a backbone.</param>
/// <param name="Architecture">The choices of a backbone of a search space; null for one of the registry.</param>
public sealed record ModelSpec(
    string Name,
    ModelOptions Options,
    HeadOptions? Head = null,
    GeneratorOptions? Generator = null,
    ArchitectureOptions? Architecture = null
)
{
    /// <summary>What people call it: the backbone, the head and its backbone, or the generator.</summary>
    public string Title => Head is null ? Name : $"{Heads.NameOf(Head)} over {Name}";

    /// <summary>Builds the model with initial values.</summary>
    /// <exception cref="UnknownModelException">The registry has no such name.</exception>
    /// <exception cref="ArgumentException">
    /// The head cannot stand over such a backbone, the number of its classes is open, or the generator cannot make such images.
    /// </exception>
    public Model Create()
    {
        if (Generator is not null)
            return Generator.Create(Options);
        if (Head is null)
            return CreateBackbone();
        var classes = Options.Classes
            ?? throw new ArgumentException($"a head over {Name} must be told its number of classes", nameof(Options));
        // The form for images of any size, where the backbone has one.
        return Head.Create((this with { Options = Options with { Classes = 0, Dense = true } }).CreateBackbone(), classes);
    }

    /// <summary>Builds the backbone alone, with initial values.</summary>
    /// <exception cref="UnknownModelException">The registry has no such name.</exception>
    /// <exception cref="ArgumentException">The choices of the architecture do not fit each other, or the images.</exception>
    public Backbone CreateBackbone() => Architecture is null ? Registry.Create(Name, Options) : Architecture.Create(Options);
}
