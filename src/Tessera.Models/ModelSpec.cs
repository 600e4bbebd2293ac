namespace Tessera.Models;

/// <summary>What a model is built from: a backbone of the registry, its options, and perhaps a head for another task over it.</summary>
/// <param name="Name">Name of the backbone in <see cref="Registry"/>.</param>
/// <param name="Options">What was chosen of the backbone; with a head, its classes are the head's.</param>
/// <param name="Head">The head; null for the backbone with its own classifier.</param>
public sealed record ModelSpec(string Name, ModelOptions Options, HeadOptions? Head = null)
{
    /// <summary>What people call it: the backbone, or the head and its backbone.</summary>
    public string Title => Head is null ? Name : $"{Heads.NameOf(Head)} over {Name}";

    /// <summary>Builds the model with initial values.</summary>
    /// <exception cref="UnknownModelException">The registry has no such name.</exception>
    /// <exception cref="ArgumentException">The head cannot stand over such a backbone, or the number of its classes is open.</exception>
    public Model Create()
    {
        if (Head is null)
            return Registry.Create(Name, Options);
        var classes = Options.Classes
            ?? throw new ArgumentException($"a head over {Name} must be told its number of classes", nameof(Options));
        // The form for images of any size, where the backbone has one.
        return Head.Create(Registry.Create(Name, Options with { Classes = 0, Dense = true }), classes);
    }
}
