using System.Reflection;
using System.Text;
using Tessera.Data;
using Tessera.Data.Transforms;

namespace Tessera.Training.Recipes;

/// <summary>How records appear in recipes: their fields are the parameters of their constructor, in snake case.</summary>
internal static class RecipeShape
{
    internal const string NameField = "name";

    /// <summary>The constructor that recipes bind to: the one with the most parameters that is no copy constructor.</summary>
    internal static ConstructorInfo Constructor(Type type) =>
        type.GetConstructors()
            .Where(c => !(c.GetParameters() is [var only] && only.ParameterType == type))
            .MaxBy(c => c.GetParameters().Length)
        ?? throw new NotSupportedException($"{type.Name} has no public constructor to bind to");

    internal static string FieldName(ParameterInfo parameter) => Snake(parameter.Name!);

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
        if (type == typeof(Transform))
            return TransformRegistry.Kinds.ToDictionary(kind => kind.Key, kind => kind.Value.Type);
        return type
            .Assembly.GetTypes()
            .Where(t => !t.IsAbstract && t.IsPublic && t.IsAssignableTo(type))
            .ToDictionary(t => t.GetCustomAttribute<RecipeNameAttribute>()?.Name ?? Snake(t.Name), t => t);
    }

    /// <summary>The name by which a recipe chooses a record where its topmost base is expected; null for one that stands alone.</summary>
    internal static string? ChoiceName(Type type)
    {
        var root = type;
        while (root.BaseType is { IsAbstract: true } parent && parent != typeof(object))
            root = parent;
        return root == type ? null : Choices(root).FirstOrDefault(choice => choice.Value == type).Key;
    }

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
