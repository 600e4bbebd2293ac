namespace Tessera.Models;

/// <summary>Heads, or generators, by the name that recipes use: the published ones, and those that a program adds.</summary>
/// <typeparam name="TKind">What is said of each.</typeparam>
/// <param name="noun">A word for one in messages.</param>
/// <param name="options">The base of the records of their options.</param>
/// <param name="published">Those that are there from the beginning.</param>
internal sealed class ModelPartKinds<TKind>(string noun, Type options, IReadOnlyList<TKind> published)
    where TKind : ModelPartKind
{
    private readonly Lock gate = new();

    // Replaced as a whole, so that readers need no lock.
    private volatile IReadOnlyList<TKind> all = published;

    /// <summary>The published ones; after them, in their order, those that were added.</summary>
    internal IReadOnlyList<TKind> All => all;

    /// <summary>The name of a record of options; that of its type where it was not added.</summary>
    internal string NameOf(object part) => all.FirstOrDefault(kind => kind.Type == part.GetType())?.Name ?? part.GetType().Name;

    /// <summary>Adds one.</summary>
    /// <param name="kind">Name and options.</param>
    /// <param name="taken">What else has names in <c>model.name</c>: a description, and whether it has this one.</param>
    /// <exception cref="ArgumentException">The name is taken or has other characters, or the type is no record of options.</exception>
    internal void Add(TKind kind, params ReadOnlySpan<(string What, bool Taken)> taken)
    {
        var name = kind.Name;
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))
            throw new ArgumentException($"{noun} '{name}': the name must consist of small letters, digits and _", nameof(kind));
        if (kind.Type.IsAbstract || kind.Type.ContainsGenericParameters || !kind.Type.IsAssignableTo(options))
            throw new ArgumentException(
                $"{noun} '{name}': {kind.Type.FullName} must be a record that derives from {options.Name}",
                nameof(kind)
            );
        foreach (var (what, has) in taken)
            if (has)
                throw new ArgumentException($"{noun} '{name}': {what} has this name", nameof(kind));
        lock (gate)
        {
            if (all.FirstOrDefault(other => other.Name == name || other.Type == kind.Type) is { } there)
                throw new ArgumentException($"{noun} '{name}' is there already ({there.Name}: {there.Type.FullName})", nameof(kind));
            all = [.. all, kind];
        }
    }
}
