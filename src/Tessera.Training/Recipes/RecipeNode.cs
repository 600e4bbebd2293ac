namespace Tessera.Training.Recipes;

/// <summary>A part of a recipe as it was written, with its place for messages.</summary>
/// <param name="Place">File and line, or the override that set it.</param>
public abstract record RecipeNode(string Place)
{
    /// <summary>As messages name its kind.</summary>
    public abstract string Kind { get; }
}

/// <summary>A value: its text, before any type.</summary>
/// <param name="Text">As written, without quotes.</param>
/// <param name="Quoted">Whether it was in quotes: <c>"null"</c> is a text then.</param>
/// <param name="Place">File and line.</param>
public sealed record RecipeValue(string Text, bool Quoted, string Place) : RecipeNode(Place)
{
    /// <summary>Whether it stands for nothing.</summary>
    public bool IsNull => !Quoted && Text is "" or "~" or "null";

    /// <inheritdoc/>
    public override string Kind => IsNull ? "nothing" : $"'{Text}'";
}

/// <summary>A list.</summary>
/// <param name="Items">In order.</param>
/// <param name="Place">File and line.</param>
public sealed record RecipeList(IReadOnlyList<RecipeNode> Items, string Place) : RecipeNode(Place)
{
    /// <inheritdoc/>
    public override string Kind => "a list";
}

/// <summary>Fields by name.</summary>
/// <param name="Fields">In order, each with the place of its name.</param>
/// <param name="Place">File and line.</param>
public sealed record RecipeMap(IReadOnlyList<(string Name, string Place, RecipeNode Node)> Fields, string Place) : RecipeNode(Place)
{
    /// <inheritdoc/>
    public override string Kind => "fields";

    /// <summary>A field by name; null when it is not there.</summary>
    public RecipeNode? this[string name] => Fields.FirstOrDefault(f => f.Name == name).Node;

    /// <summary>The same with one field set or replaced.</summary>
    public RecipeMap With(string name, RecipeNode node) =>
        this with
        {
            Fields = Fields.Any(f => f.Name == name)
                ? [.. Fields.Select(f => f.Name == name ? (f.Name, node.Place, node) : f)]
                : [.. Fields, (name, node.Place, node)],
        };
}
