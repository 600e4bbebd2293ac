using System.Globalization;
using Tessera.Data.Transforms;

namespace Tessera.Training.Recipes;

/// <summary>The types of the fields of a recipe by their path, as far as they can be known before it is bound.</summary>
internal static class RecipeTypes
{
    /// <summary>Whether a single value of a field is a text.</summary>
    /// <param name="root">Type of the recipe.</param>
    /// <param name="recipe">The recipe so far: it says what was chosen by name.</param>
    /// <param name="path">The field.</param>
    internal static bool IsText(Type root, RecipeNode recipe, ReadOnlySpan<string> path) =>
        TypeOf(root, recipe, path) is { } type && (type == typeof(string) || FirstIsText(type));

    /// <summary>Whether a field takes a list as well, of which a single text is the only item.</summary>
    /// <inheritdoc cref="IsText"/>
    internal static bool TakesList(Type root, RecipeNode recipe, ReadOnlySpan<string> path) =>
        TypeOf(root, recipe, path) is { } type && RecipeShape.ElementOf(type) is not null;

    /// <summary>Whether a field takes fields as well, of which a single text is the first one.</summary>
    /// <inheritdoc cref="IsText"/>
    internal static bool TakesFields(Type root, RecipeNode recipe, ReadOnlySpan<string> path) =>
        TypeOf(root, recipe, path) is { } type && IsRecord(type);

    /// <summary>Whether a part is chosen by name.</summary>
    /// <inheritdoc cref="IsText"/>
    internal static bool IsChoice(Type root, RecipeNode recipe, ReadOnlySpan<string> path) =>
        TypeOf(root, recipe, path) is { } type && RecipeShape.Choices(type).Count > 0;

    // A single value stands for a list of one, and in a record for its first field.
    private static bool FirstIsText(Type type)
    {
        if (RecipeShape.ElementOf(type) is { } element)
            return element == typeof(string);
        return IsRecord(type)
            && RecipeShape.Choices(type).Count == 0
            && RecipeShape.Constructor(type).GetParameters() is [var first, ..]
            && first.ParameterType == typeof(string);
    }

    private static bool IsRecord(Type type) =>
        type is { IsClass: true } && type != typeof(string) && type != typeof(RecipeNode) && type.Assembly != typeof(object).Assembly;

    private static Type? TypeOf(Type type, RecipeNode? node, ReadOnlySpan<string> path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (path.IsEmpty)
            return type;
        var name = path[0];
        var rest = path[1..];
        if (type == typeof(Augmentation))
            return name == "views"
                ? TypeOf(typeof(IReadOnlyList<IReadOnlyList<Transform>>), Below(node, name), rest)
                : TypeOf(typeof(IReadOnlyList<Transform>), node, path);
        if (RecipeShape.ElementOf(type) is { } element)
            return int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                ? TypeOf(element, (node as RecipeList)?.Items.ElementAtOrDefault(index), rest)
                : TypeOf(element, node, path);
        if (!IsRecord(type))
            return null;
        var choices = RecipeShape.Choices(type);
        if (choices.Count == 0)
            return OfField(type, node, name, rest);
        if (name == RecipeShape.NameField)
            return rest.IsEmpty ? typeof(string) : null;
        if (Chosen(node) is { } chosen && choices.TryGetValue(OldNames.Choice(chosen), out var own))
            return OfField(own, node, name, rest);
        if (choices.TryGetValue(OldNames.Choice(name), out var inShort))
            return TypeOf(inShort, Below(node, OldNames.FieldOf(node as RecipeMap ?? new([], ""), name)), rest);
        // What all that have such a field agree on.
        var fields = new HashSet<Type>();
        foreach (var choice in choices.Values)
            if (OfField(choice, null, name, rest) is { } found)
                fields.Add(found);
        return fields.Count == 1 ? fields.Single() : null;
    }

    private static Type? OfField(Type record, RecipeNode? node, string name, ReadOnlySpan<string> rest)
    {
        if (
            Chosen(node) is { } chosen
            && RecipeShape.BesideOf(record, chosen) is { Part: var part }
            && OfField(part, node, name, rest) is { } besides
        )
            return besides;
        return
            RecipeShape.Constructor(record).GetParameters().FirstOrDefault(parameter => RecipeShape.FieldName(parameter) == name)
                is { } field
            ? TypeOf(field.ParameterType, Below(node, name), rest)
            : null;
    }

    private static RecipeNode? Below(RecipeNode? node, string name) => (node as RecipeMap)?[name];

    private static string? Chosen(RecipeNode? node) =>
        node switch
        {
            RecipeValue value => value.Text,
            RecipeMap map => (map[RecipeShape.NameField] as RecipeValue)?.Text,
            _ => null,
        };
}
