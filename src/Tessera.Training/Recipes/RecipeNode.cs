using System.Globalization;

namespace Tessera.Training.Recipes;

/// <summary>
/// A field of a recipe that can have several forms, as it was written: a text, a list of numbers, numbers by name. In C#:
/// <c>RecipeNode.Of("balanced")</c>, <c>RecipeNode.Of(1, 2.5)</c>.
/// </summary>
public abstract record RecipeNode
{
    private const string InCode = "recipe";

    private protected RecipeNode(string place) => Place = place;

    /// <summary>Its place for messages: file and line, or the override that set it.</summary>
    internal string Place { get; init; }

    /// <summary>As messages name its kind.</summary>
    internal abstract string Kind { get; }

    /// <summary>A text.</summary>
    /// <param name="text">Taken as it is.</param>
    public static RecipeNode Of(string text) => new RecipeValue(text, true, InCode);

    /// <summary>A list of numbers.</summary>
    /// <param name="numbers">In order.</param>
    public static RecipeNode Of(params IReadOnlyList<double> numbers) => new RecipeList([.. numbers.Select(Number)], InCode);

    /// <summary>Numbers by name.</summary>
    /// <param name="numbers">In order.</param>
    public static RecipeNode Of(IReadOnlyDictionary<string, double> numbers) =>
        new RecipeMap([.. numbers.Select(entry => (entry.Key, InCode, Number(entry.Value)))], InCode);

    private static RecipeNode Number(double number) => new RecipeValue(number.ToString("R", CultureInfo.InvariantCulture), false, InCode);
}

/// <summary>A value: its text, before any type.</summary>
/// <param name="Text">As written, without quotes.</param>
/// <param name="Quoted">Whether it was in quotes: <c>"null"</c> is a text then.</param>
/// <param name="Place">File and line.</param>
internal sealed record RecipeValue(string Text, bool Quoted, string Place) : RecipeNode(Place)
{
    /// <summary>Whether it stands for nothing.</summary>
    internal bool IsNull => !Quoted && Text is "" or "~" or "null";

    /// <inheritdoc/>
    internal override string Kind => IsNull ? "nothing" : $"'{Text}'";
}

/// <summary>A list.</summary>
/// <param name="Items">In order.</param>
/// <param name="Place">File and line.</param>
internal sealed record RecipeList(IReadOnlyList<RecipeNode> Items, string Place) : RecipeNode(Place)
{
    /// <inheritdoc/>
    internal override string Kind => "a list";
}

/// <summary>Fields by name.</summary>
/// <param name="Fields">In order, each with the place of its name.</param>
/// <param name="Place">File and line.</param>
internal sealed record RecipeMap(IReadOnlyList<(string Name, string Place, RecipeNode Node)> Fields, string Place) : RecipeNode(Place)
{
    /// <inheritdoc/>
    internal override string Kind => "fields";

    /// <summary>A field by name; null when it is not there.</summary>
    internal RecipeNode? this[string name] => Fields.FirstOrDefault(f => f.Name == name).Node;

    /// <summary>The same with one field set or replaced.</summary>
    internal RecipeMap With(string name, RecipeNode node) =>
        this with
        {
            Fields = Fields.Any(f => f.Name == name)
                ? [.. Fields.Select(f => f.Name == name ? (f.Name, node.Place, node) : f)]
                : [.. Fields, (name, node.Place, node)],
        };
}
