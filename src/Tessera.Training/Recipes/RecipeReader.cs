using System.Globalization;
using Tessera.Data.Formats;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Tessera.Training.Recipes;

/// <summary>Reads YAML into nodes that know their lines, and sets fields by dotted paths.</summary>
internal static class RecipeReader
{
    // YAML's aliases let a short file stand for a huge tree, and nesting could exhaust the stack.
    private const int MaxNodes = 100_000;
    private const int MaxDepth = 32;
    private const int MaxLength = 1 << 20;
    private const string StagesField = "stages";

    /// <summary>Reads a document of which the top is a map.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="file">What messages call it.</param>
    /// <exception cref="RecipeException">It is no YAML, or no map.</exception>
    public static RecipeMap Read(string yaml, string file) =>
        Parse(yaml, file, line => $"{file}:{line}") switch
        {
            RecipeMap map => map,
            RecipeValue { IsNull: true } => throw new RecipeException(file, "", "the file is empty"),
            var other => throw new RecipeException(other.Place, "", $"must be fields, not {other.Kind}"),
        };

    /// <summary>
    /// Sets one field, as in <c>optimizer.lr=5e-4</c>; numbers in the path count in lists from 0. The value of a field of text is taken as
    /// it is unless it is quoted as a whole; that of any other field is YAML.
    /// </summary>
    /// <param name="root">The recipe, or one of several stages.</param>
    /// <param name="assignment">Path and value.</param>
    /// <param name="type">The record that the recipe, or each of its stages, is bound to: it says which fields are text.</param>
    /// <exception cref="RecipeException">No <c>=</c>, a path that leads nowhere, or a value that is no YAML.</exception>
    public static RecipeMap Set(RecipeMap root, string assignment, Type type)
    {
        var place = $"--set {assignment}";
        var cut = assignment.IndexOf('=', StringComparison.Ordinal);
        if (cut <= 0)
            throw new RecipeException(place, "", "must be path=value, as in optimizer.lr=5e-4");
        var path = OldNames.Path(assignment[..cut]).Split('.');
        var text = assignment[(cut + 1)..];
        var isText = path is [StagesField, var number, .. var inStage]
            ? RecipeSettings.IsLiteral(text, Stage(root, number), type, OldNames.TaskPath(inStage))
            : RecipeSettings.IsLiteral(text, root, type, OldNames.TaskPath(path));
        RecipeNode value = isText ? RecipeSettings.Literal(text, place) : Parse(text, place, _ => place);
        return (RecipeMap)Set(root, path, 0, value, place, IsChoice);

        bool IsChoice(int depth) =>
            path is [StagesField, var stage, ..]
                ? depth > 2 && RecipeTypes.IsChoice(type, Stage(root, stage), path.AsSpan(2, depth - 2))
                : RecipeTypes.IsChoice(type, root, path.AsSpan(0, depth));
    }

    // What is chosen by name in a stage, or else beside the stages, decides.
    private static RecipeMap Stage(RecipeMap root, string number) =>
        root[StagesField] is RecipeList stages
        && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
        && stages.Items.ElementAtOrDefault(index) is RecipeMap own
            ? own.Fields.Aggregate(root, (map, field) => map.With(field.Name, Joined(map[field.Name], field.Node)))
            : root;

    private static RecipeNode Joined(RecipeNode? below, RecipeNode above) =>
        below is RecipeMap common && above is RecipeMap own && own[RecipeShape.NameField] is null
            ? own.Fields.Aggregate(common, (map, field) => map.With(field.Name, field.Node))
            : above;

    private static RecipeNode Set(RecipeNode? node, string[] path, int depth, RecipeNode value, string place, Func<int, bool> isChoice)
    {
        if (depth == path.Length)
            return value;
        var name = path[depth];
        if (node is RecipeList list)
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) || index >= list.Items.Count)
                throw new RecipeException(
                    place,
                    string.Join('.', path[..depth]),
                    $"a list of {list.Items.Count}: '{name}' is no place in it (they count from 0)"
                );
            return list with
            {
                Items = [.. list.Items.Select((item, i) => i == index ? Set(item, path, depth + 1, value, place, isChoice) : item)],
            };
        }
        // A part that is written as one value has no fields yet: what is chosen by name (supervised) keeps its name, other values (mixup:
        // 0.8) are replaced by fields.
        var map =
            node as RecipeMap
            ?? new RecipeMap(
                node is RecipeValue { IsNull: false } chosen && name != RecipeShape.NameField && isChoice(depth)
                    ? [(RecipeShape.NameField, chosen.Place, chosen)]
                    : [],
                place
            );
        var field = OldNames.FieldOf(map, name);
        return map.With(field, Set(map[field], path, depth + 1, value, place, isChoice));
    }

    private static RecipeNode Parse(string yaml, string file, Func<long, string> place)
    {
        if (yaml.Length > MaxLength)
            throw new RecipeException(file, "", $"{yaml.Length} characters; a recipe has at most {MaxLength}");
        var stream = YamlText.Load(yaml, MaxDepth, (line, problem, inner) =>
            new RecipeException(line is { } at ? place(at) : file, "", problem, inner)
        );
        if (stream.Documents.Count > 1)
            throw new RecipeException(file, "", "several documents in one file");
        if (stream.Documents.Count == 0)
            return new RecipeValue("", false, place(1));
        var left = MaxNodes;
        return Convert(stream.Documents[0].RootNode, "", 0);

        RecipeNode Convert(YamlNode node, string path, int depth)
        {
            var at = place(node.Start.Line);
            if (--left < 0 || depth > MaxDepth)
                throw new RecipeException(at, path, $"too much: a recipe has at most {MaxNodes} values, nested {MaxDepth} deep");
            return node switch
            {
                YamlScalarNode scalar => new RecipeValue(
                    scalar.Value ?? "",
                    scalar.Style is ScalarStyle.SingleQuoted or ScalarStyle.DoubleQuoted or ScalarStyle.Literal or ScalarStyle.Folded,
                    at
                ),
                YamlSequenceNode list => new RecipeList(
                    [.. list.Children.Select((child, i) => Convert(child, $"{path}.{i}", depth + 1))],
                    at
                ),
                YamlMappingNode map => new RecipeMap([.. map.Children.Select(pair => Field(pair.Key, pair.Value))], at),
                _ => throw new RecipeException(at, path, $"a {node.NodeType} is not used in recipes"),
            };

            (string, string, RecipeNode) Field(YamlNode key, YamlNode value)
            {
                if (key is not YamlScalarNode { Value: { } name })
                    throw new RecipeException(place(key.Start.Line), path, "the name of a field is a plain word");
                return (name, place(key.Start.Line), Convert(value, path.Length == 0 ? name : $"{path}.{name}", depth + 1));
            }
        }
    }
}
