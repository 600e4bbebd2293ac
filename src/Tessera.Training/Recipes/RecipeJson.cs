using System.Collections;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Tessera.Training.Recipes;

/// <summary>Records of recipes as JSON, for files that programs read: the same fields by the same names.</summary>
internal static class RecipeJson
{
    /// <summary>A record with every field that is set; where it was chosen by name, with its name.</summary>
    internal static JsonNode? Write(object? value) =>
        value switch
        {
            null => null,
            string text => text,
            RecipeValue given => given.IsNull ? null : given.Text,
            RecipeList given => new JsonArray([.. given.Items.Select(Write)]),
            RecipeMap given => new JsonObject([.. given.Fields.Select(field => KeyValuePair.Create(field.Name, Write(field.Node)))]),
            bool flag => flag,
            Enum choice => RecipeShape.Snake(choice.ToString()),
            double number => number,
            int number => number,
            long number => number,
            ulong number => number,
            IEnumerable list => new JsonArray([.. list.Cast<object?>().Select(Write)]),
            _ => WriteRecord(value),
        };

    private static JsonObject WriteRecord(object record)
    {
        var (type, result) = (record.GetType(), new JsonObject());
        if (RecipeShape.ChoiceName(type) is { } name)
            result[RecipeShape.NameField] = name;
        foreach (var (parameter, value) in RecipeShape.Fields(record))
            if (value is not null)
                result[RecipeShape.FieldName(parameter)] = Write(value);
        return result;
    }

    /// <summary>JSON as a part of a recipe, which the binder makes into a record.</summary>
    /// <param name="node">The JSON; null stands for nothing.</param>
    /// <param name="place">What messages call its place.</param>
    /// <param name="named">Whether the places of fields have their names, because messages name no path from the top.</param>
    internal static RecipeNode Read(JsonNode? node, string place, bool named = true) =>
        node switch
        {
            null => new RecipeValue("", false, place),
            JsonArray list => new RecipeList([.. list.Select(item => Read(item, place, named))], place),
            JsonObject map => new RecipeMap(
                [.. map.Select(field => (field.Key, place, Read(field.Value, named ? $"{place}: {field.Key}" : place, named)))],
                place
            ),
            JsonValue value when value.TryGetValue<string>(out var text) => new RecipeValue(text, true, place),
            JsonValue value when value.TryGetValue<bool>(out var flag) => new RecipeValue(flag ? "true" : "false", false, place),
            _ => new RecipeValue(node.ToString().ToString(CultureInfo.InvariantCulture), false, place),
        };
}
