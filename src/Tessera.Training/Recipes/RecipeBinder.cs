using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using Tessera.Data;
using Tessera.Data.Transforms;

namespace Tessera.Training.Recipes;

/// <summary>Builds typed records out of what a recipe says, by the parameters of their constructors.</summary>
internal static class RecipeBinder
{
    /// <summary>A value of a type.</summary>
    /// <exception cref="RecipeException">An unknown field, a wrong type, a missing field, or a value that the record refuses.</exception>
    internal static T Bind<T>(RecipeNode node) => (T)Bind(typeof(T), node, "")!;

    internal static object? Bind(Type type, RecipeNode node, string path)
    {
        if (type == typeof(RecipeNode))
            return node;
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return node is RecipeValue { IsNull: true } ? null : Bind(underlying, node, path);
        if (type == typeof(Augmentation))
            return BindAugmentation(node, path);
        if (RecipeShape.ElementOf(type) is { } element)
            return BindList(element, node, path);
        if (type.IsEnum || type.IsPrimitive || type == typeof(string))
            return BindScalar(type, node, path);
        var choices = RecipeShape.Choices(type);
        return choices.Count > 0 ? BindChoice(choices, node, path) : BindRecord(type, node, path);
    }

    // A list of transforms, or { views: [ a list, a list ] }.
    private static Augmentation BindAugmentation(RecipeNode node, string path)
    {
        var views = node is RecipeMap { Fields: [("views", _, var several)] } ? several : null;
        if (views is not null and not RecipeList { Items.Count: > 0 })
            throw new RecipeException(views.Place, Join(path, "views"), $"must be a list of lists of transforms, not {views.Kind}");
        RecipeNode[] lists = views is RecipeList list ? [.. list.Items] : [node];
        return new([.. lists.Select(one => (IReadOnlyList<Transform>)BindList(typeof(Transform), one, path))]);
    }

    private static Array BindList(Type element, RecipeNode node, string path)
    {
        // One value stands for a list of one: augment: flip.
        var items =
            node is RecipeList list ? list.Items
            : node is RecipeValue { IsNull: true } ? []
            : [node];
        var result = Array.CreateInstance(element, items.Count);
        for (var i = 0; i < items.Count; i++)
            result.SetValue(Bind(element, items[i], Join(path, i.ToString(CultureInfo.InvariantCulture))), i);
        return result;
    }

    private static object? BindScalar(Type type, RecipeNode node, string path)
    {
        if (node is not RecipeValue value)
            throw new RecipeException(node.Place, path, $"must be {Describe(type)}, not {node.Kind}");
        if (value.IsNull)
            return type == typeof(string) ? null : throw Wrong(value);
        var text = value.Text;
        if (type == typeof(string))
            return text;
        var culture = CultureInfo.InvariantCulture;
        if (type == typeof(double))
            return double.TryParse(text, NumberStyles.Float, culture, out var real) && double.IsFinite(real) ? real : throw Wrong(value);
        if (type == typeof(bool))
            return text switch
            {
                "true" or "yes" or "on" => true,
                "false" or "no" or "off" => false,
                _ => throw Wrong(value),
            };
        if (type == typeof(int))
            return int.TryParse(text, NumberStyles.AllowLeadingSign, culture, out var number) ? number : throw Wrong(value);
        if (type == typeof(long))
            return long.TryParse(text, NumberStyles.AllowLeadingSign, culture, out var number) ? number : throw Wrong(value);
        if (type == typeof(ulong))
            return ulong.TryParse(text, NumberStyles.None, culture, out var number) ? number : throw Wrong(value);
        if (!type.IsEnum)
            throw new NotSupportedException($"recipes hold no {type.Name}");
        var names = Enum.GetNames(type);
        var index = Array.FindIndex(names, name => RecipeShape.Snake(name) == text);
        return index >= 0 ? Enum.Parse(type, names[index]) : throw Wrong(value);

        RecipeException Wrong(RecipeValue value) => new(value.Place, path, $"must be {Describe(type)}, not {value.Kind}");
    }

    private static string Describe(Type type) =>
        type.IsEnum ? "one of " + string.Join(", ", Enum.GetNames(type).Select(RecipeShape.Snake))
        : type == typeof(double) ? "a number"
        : type == typeof(bool) ? "true or false"
        : type == typeof(string) ? "a text"
        : type == typeof(ulong) ? "a whole number from 0"
        : "a whole number";

    // { name: crop, pad: 4 }, or in short { crop: { pad: 4 } }, or only the name.
    private static object BindChoice(IReadOnlyDictionary<string, Type> choices, RecipeNode node, string path)
    {
        switch (node)
        {
            case RecipeValue { IsNull: false } name:
                return BindRecord(Chosen(name.Text, name.Place), new RecipeMap([], name.Place), path);
            case RecipeMap map when map[RecipeShape.NameField] is { } named:
                if (named is not RecipeValue { IsNull: false } chosen)
                    throw new RecipeException(named.Place, Join(path, RecipeShape.NameField), $"must be a text, not {named.Kind}");
                return BindRecord(
                    Chosen(chosen.Text, chosen.Place),
                    map with
                    {
                        Fields = [.. map.Fields.Where(f => f.Name != RecipeShape.NameField)],
                    },
                    path
                );
            case RecipeMap { Fields: [var only] }:
                return BindRecord(Chosen(only.Name, only.Place), only.Node, Join(path, only.Name));
            default:
                throw new RecipeException(node.Place, path, $"must be one of {JoinNames(choices.Keys)}, not {node.Kind}");
        }

        Type Chosen(string name, string place) =>
            choices.TryGetValue(OldNames.Choice(name), out var type)
                ? type
                : throw RecipeException.OfUnknownPart(
                    place,
                    path,
                    name,
                    Hint(name, choices.Keys),
                    Spelling.Meant(name, choices.Keys) is not null
                );
    }

    private static object BindRecord(Type type, RecipeNode node, string path)
    {
        var constructor = RecipeShape.Constructor(type);
        var parameters = constructor.GetParameters();
        var fields = parameters.ToDictionary(RecipeShape.FieldName);
        var map = node switch
        {
            RecipeMap given => given,
            RecipeValue { IsNull: true } => new RecipeMap([], node.Place),
            // A single value is the first field: mixup: 0.8.
            _ when parameters.Length > 0 => new RecipeMap([(RecipeShape.FieldName(parameters[0]), node.Place, node)], node.Place),
            _ => throw new RecipeException(node.Place, path, $"must have no value, not {node.Kind}"),
        };
        var beside = BesideOf(type, map);
        var own = beside is null
            ? map
            : map with
            {
                Fields = [.. map.Fields.Where(field => field.Name == RecipeShape.NameField || !beside.Value.Fields.Contains(field.Name))],
            };
        foreach (var part in RecipeShape.Beside(type))
            fields.Remove(RecipeShape.FieldName(part));
        foreach (var (name, place, _) in own.Fields)
            if (!fields.ContainsKey(name))
                throw new RecipeException(
                    place,
                    Join(path, name),
                    $"unknown field; {Hint(name, beside is null ? fields.Keys : beside.Value.Fields.Concat(fields.Keys))}"
                );
        var arguments = parameters
            .Select(parameter =>
                !RecipeShape.IsBeside(parameter) ? Argument(parameter, own, path)
                : beside is { } part && part.Parameter.Position == parameter.Position ? BindRecord(part.Type, part.Map, path)
                : null
            )
            .ToArray();
        try
        {
            return constructor.Invoke(arguments);
        }
        catch (TargetInvocationException error) when (error.InnerException is (ArgumentException or DataException) and { } refused)
        {
            throw new RecipeException(map.Place, path, refused.Message, refused);
        }
    }

    // The part whose fields stand beside those of the record, where the record's name is one of its names.
    private static (ParameterInfo Parameter, Type Type, IReadOnlyCollection<string> Fields, RecipeMap Map)? BesideOf(
        Type type,
        RecipeMap map
    )
    {
        if (
            map[RecipeShape.NameField] is not RecipeValue { IsNull: false } name
            || RecipeShape.BesideOf(type, name.Text) is not var (parameter, part)
        )
            return null;
        HashSet<string> fields = [.. RecipeShape.Constructor(part).GetParameters().Select(RecipeShape.FieldName)];
        return (parameter, part, fields, map with { Fields = [.. map.Fields.Where(field => fields.Contains(field.Name))] });
    }

    private static object? Argument(ParameterInfo parameter, RecipeMap map, string path)
    {
        var name = RecipeShape.FieldName(parameter);
        var at = Join(path, name);
        if (map[name] is not { } node)
        {
            if (parameter.HasDefaultValue)
                return parameter.DefaultValue ?? DefaultOf(parameter);
            // A section in which everything has a default may be left out.
            if (
                parameter.ParameterType is { IsClass: true, IsAbstract: false } section
                && section != typeof(string)
                && RecipeShape.ElementOf(section) is null
                && RecipeShape.Constructor(section).GetParameters().All(p => p.HasDefaultValue)
            )
                return BindRecord(section, new RecipeMap([], map.Place), at);
            throw new RecipeException(map.Place, at, "missing");
        }
        if (node is RecipeValue { IsNull: true } && MayBeLeftOut(parameter))
            return null;
        var value = Bind(parameter.ParameterType, node, at);
        if (value is null && !Optional(parameter))
            throw new RecipeException(node.Place, at, $"must be {Describe(parameter.ParameterType)}, not nothing");
        foreach (var range in RecipeShape.Attributes<RangeAttribute>(parameter))
            if (value is not null && !range.IsValid(value))
                throw new RecipeException(node.Place, at, $"must be {Show(range.Minimum)} to {Show(range.Maximum)}, not {Show(value)}");
        return value;
    }

    // A part that there is or is not: null is none of it, where {} is one whose fields have their defaults.
    private static bool MayBeLeftOut(ParameterInfo parameter) =>
        parameter is { ParameterType: { IsClass: true, IsArray: false } type, HasDefaultValue: true, DefaultValue: null }
        && type != typeof(string)
        && type != typeof(RecipeNode)
        && Optional(parameter);

    private static object? DefaultOf(ParameterInfo parameter) =>
        parameter.ParameterType.IsValueType && Nullable.GetUnderlyingType(parameter.ParameterType) is null
            ? Activator.CreateInstance(parameter.ParameterType)
            : null;

    private static bool Optional(ParameterInfo parameter) =>
        Nullable.GetUnderlyingType(parameter.ParameterType) is not null
        || new NullabilityInfoContext().Create(parameter).WriteState != NullabilityState.NotNull;

    private static string Show(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;

    private static string Hint(string name, IEnumerable<string> known) =>
        Spelling.Meant(name, known) is { } meant
            ? $"did you mean '{meant}'?"
            : $"there {(known.Count() == 1 ? "is" : "are")} {JoinNames(known)}";

    private static string JoinNames(IEnumerable<string> names) => names.Any() ? string.Join(", ", names) : "none";

    internal static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
