using System.Reflection;
using System.Text;

namespace Tessera.Training.Recipes;

/// <summary>How records appear in recipes: their fields are the parameters of their constructor, in snake case.</summary>
internal static class RecipeShape
{
    internal const string NameField = "name";

    /// <summary>
    /// The constructor that recipes bind to: of those that are public or internal, the one with the most parameters that is no copy
    /// constructor.
    /// </summary>
    internal static ConstructorInfo Constructor(Type type) =>
        type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance)
            .Where(c => c.IsPublic || c.IsAssembly)
            .Where(c => !(c.GetParameters() is [var only] && only.ParameterType == type))
            .MaxBy(c => c.GetParameters().Length)
        ?? throw new NotSupportedException($"{type.Name} has no constructor to bind to");

    internal static string FieldName(ParameterInfo parameter) =>
        Attributes<RecipeNameAttribute>(parameter).FirstOrDefault()?.Name ?? Snake(parameter.Name!);

    /// <summary>The parameters whose fields stand beside those of a record, at most one of them at a time.</summary>
    internal static IEnumerable<ParameterInfo> Beside(Type type) => Constructor(type).GetParameters().Where(IsBeside);

    /// <summary>Whether the fields of a parameter stand beside those of its record.</summary>
    internal static bool IsBeside(ParameterInfo parameter) => Attributes<RecipeBesideAttribute>(parameter).Any();

    /// <summary>Of the parts whose fields stand beside those of a record, the one that has a name, with the parameter that takes it.</summary>
    /// <param name="type">The record.</param>
    /// <param name="name">The record's name in the recipe.</param>
    internal static (ParameterInfo Parameter, Type Part)? BesideOf(Type type, string name)
    {
        foreach (var parameter in Beside(type))
            if (Choices(parameter.ParameterType).TryGetValue(name, out var part))
                return (parameter, part);
        return null;
    }

    /// <summary>The fields of a record with their values, in the order of its constructor; those that stand beside them come last.</summary>
    internal static IEnumerable<(ParameterInfo Parameter, object? Value)> Fields(object record)
    {
        var type = record.GetType();
        object? beside = null;
        foreach (var parameter in Constructor(type).GetParameters())
        {
            var property = PropertyOf(parameter)
                ?? throw new NotSupportedException($"{type.Name} has no property for its parameter {parameter.Name}");
            if (IsBeside(parameter))
                beside ??= property.GetValue(record);
            else
                yield return (parameter, property.GetValue(record));
        }
        if (beside is not null)
            foreach (var field in Fields(beside))
                yield return field;
    }

    /// <summary>What is said of a parameter, also where a base record has one of the same name.</summary>
    internal static IEnumerable<T> Attributes<T>(ParameterInfo parameter)
        where T : Attribute
    {
        var name = parameter.Name;
        for (var type = parameter.Member.DeclaringType; type is not null && type != typeof(object); type = type.BaseType)
            foreach (var constructor in type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance))
                if (constructor.GetParameters().FirstOrDefault(p => p.Name == name)?.GetCustomAttribute<T>() is { } found)
                    yield return found;
    }

    /// <summary>Records that a recipe can choose between where <paramref name="type"/> is expected, by name.</summary>
    internal static IReadOnlyDictionary<string, Type> Choices(Type type)
    {
        if (!type.IsAbstract || !type.IsClass)
            return new Dictionary<string, Type>();
        return RecipeParts.Of(type);
    }

    /// <summary>The name by which a recipe chooses a record where its topmost base is expected; null for one that stands alone.</summary>
    /// <exception cref="RecipeException">It is a part of a program's own that is not registered.</exception>
    internal static string? ChoiceName(Type type)
    {
        var root = RecipeParts.Root(type);
        if (root == type)
            return null;
        return NameAmong(root, type)
            ?? (
                RecipeParts.IsBase(root)
                    ? throw new RecipeException("recipe", "", $"{type.FullName} has no name: {RecipeParts.How}<{type.Name}>()")
                    : null
            );
    }

    /// <summary>What messages call a part: the name by which recipes choose it, or that of its type where it is not registered.</summary>
    internal static string MessageName(Type type) => NameAmong(RecipeParts.Root(type), type) ?? type.Name;

    private static string? NameAmong(Type root, Type type) => Choices(root).FirstOrDefault(choice => choice.Value == type).Key;

    /// <summary>Values that a field can have, beside texts, enums, records and lists.</summary>
    internal static IReadOnlyList<Type> Scalars { get; } = [typeof(double), typeof(int), typeof(long), typeof(ulong), typeof(bool)];

    /// <summary>The property that holds what a parameter of the constructor gave; null where there is none.</summary>
    internal static PropertyInfo? PropertyOf(ParameterInfo parameter) =>
        parameter.Member.DeclaringType!.GetProperty(parameter.Name!, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase);

    internal static string Snake(string name)
    {
        var result = new StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]) && i > 0)
                result.Append('_');
            result.Append(char.ToLowerInvariant(name[i]));
        }
        return result.ToString();
    }

    internal static Type? ElementOf(Type type) =>
        type.IsArray ? type.GetElementType()
        : type.IsGenericType
        && type.GetGenericTypeDefinition() is var open
        && (open == typeof(IReadOnlyList<>) || open == typeof(IReadOnlyCollection<>) || open == typeof(IEnumerable<>))
            ? type.GetGenericArguments()[0]
        : null;
}
