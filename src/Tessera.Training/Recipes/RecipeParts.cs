using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using Tessera.Data.Transforms;
using Tessera.Models;

namespace Tessera.Training.Recipes;

/// <summary>
/// The parts that recipes choose by name: tasks, objectives, auxiliary losses, optimisers, schedules, transforms, heads, generators,
/// architectures and search methods. Those of Tessera are known; a program registers its own once, before it reads recipes, runs or bundles
/// that name them. The name is that of <see cref="RecipeNameAttribute"/>, or else the name of the type in snake case; the
/// parameters of the constructor are the fields. Threads may register and read at once.
/// </summary>
public static class RecipeParts
{
    /// <summary>What messages say to those whose part is unknown.</summary>
    internal const string How = "a part of your own must be registered first with RecipeParts.Register";

    private static readonly Lock gate = new();
    private static readonly ConcurrentDictionary<Type, IReadOnlyDictionary<string, Type>> ours = new();

    // Bases whose parts have a registry of their own, below the recipes.
    private static readonly Dictionary<Type, PartRegistry> registries = new()
    {
        [typeof(Transform)] = new(
            "transform",
            () => TransformRegistry.Kinds.Select(kind => (kind.Key, kind.Value.Type)),
            (name, type) => TransformRegistry.Add(new(name, type))
        ),
        [typeof(HeadOptions)] = new(
            "head",
            () => Heads.All.Select(kind => (kind.Name, kind.Type)),
            (name, type) => Heads.Add(new(name, type))
        ),
        [typeof(GeneratorOptions)] = new(
            "generator",
            () => Generators.All.Select(kind => (kind.Name, kind.Type)),
            (name, type) => Generators.Add(new(name, type))
        ),
        [typeof(ArchitectureOptions)] = new(
            "architecture",
            () => Architectures.All.Select(kind => (kind.Name, kind.Type)),
            (name, type) => Architectures.Add(new(name, type))
        ),
    };

    private sealed record PartRegistry(string Noun, Func<IEnumerable<(string Name, Type Type)>> All, Action<string, Type> Add);

    // Of each base the own parts by their names. It is replaced as a whole, so that readers need no lock.
    private static ImmutableDictionary<Type, ImmutableDictionary<string, Type>> own = ImmutableDictionary<
        Type,
        ImmutableDictionary<string, Type>
    >.Empty;

    /// <summary>Makes a part known by its name. A second time changes nothing.</summary>
    /// <typeparam name="T">
    /// A record that derives from <c>TaskKind</c>, <c>ObjectiveOptions</c>, <c>AuxiliaryLossOptions</c>, <c>DiscriminatorOptions</c>,
    /// <c>OptimizerOptions</c>, <c>ScheduleOptions</c>, <c>Transform</c>, <c>HeadOptions</c>, <c>GeneratorOptions</c>,
    /// <c>ArchitectureOptions</c> or <c>SearchMethod</c>.
    /// </typeparam>
    /// <exception cref="ArgumentException">
    /// It is no part of a recipe, has a field that no recipe can hold, or another part of this kind has the name.
    /// </exception>
    public static void Register<T>()
        where T : class => Register([typeof(T)]);

    /// <summary>Makes all parts of an assembly known by their names: every record that could be registered alone.</summary>
    /// <param name="assembly">The assembly.</param>
    /// <exception cref="ArgumentException">There is none, or one cannot be registered; nothing has changed then.</exception>
    public static void Register(Assembly assembly)
    {
        var parts = assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false } && IsBase(Root(type))).ToArray();
        if (parts.Length == 0)
            throw new ArgumentException($"{assembly.GetName().Name} has no part of a recipe: {Bases}", nameof(assembly));
        Register(parts);
    }

    private static void Register(IReadOnlyList<Type> types)
    {
        lock (gate)
        {
            // Parts that other projects know too.
            var (all, elsewhere) = (own, new Dictionary<(Type Root, string Name), Type>());
            foreach (var type in types)
            {
                var (root, name) = (Root(type), NameOf(type));
                Check(type, root, name);
                var taken = elsewhere.TryGetValue((root, name), out var other) ? other : Known(root, all, name);
                if (taken == type)
                    continue;
                if (taken is not null)
                    throw new ArgumentException(
                        $"{KindOf(root)} '{name}' is {taken.FullName} already: {type.FullName} needs another name ([RecipeName])"
                    );
                if (registries.ContainsKey(root))
                    elsewhere.Add((root, name), type);
                else
                    all = all.SetItem(root, all.GetValueOrDefault(root, ImmutableDictionary<string, Type>.Empty).Add(name, type));
            }
            foreach (var ((root, name), type) in elsewhere)
                registries[root].Add(name, type);
            own = all;
        }
    }

    private const string Bases =
        "it must derive from TaskKind, ObjectiveOptions, AuxiliaryLossOptions, DiscriminatorOptions, OptimizerOptions, ScheduleOptions, "
        + "Transform, HeadOptions, GeneratorOptions, ArchitectureOptions or SearchMethod";

    // What would go wrong only when a recipe is read or written.
    private static void Check(Type type, Type root, string name)
    {
        if (type.IsAbstract || type.ContainsGenericParameters || !IsBase(root))
            throw new ArgumentException($"{type.FullName ?? type.Name} is no part of a recipe: {Bases}");
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))
            throw new ArgumentException($"{type.FullName}: the name '{name}' must consist of small letters, digits and _");
        if (OldNames.Choice(name) is var present && present != name)
            throw new ArgumentException($"{type.FullName}: the name '{name}' stands for {present} in older recipes: choose another");
        foreach (var parameter in RecipeShape.Constructor(type).GetParameters())
        {
            if (RecipeShape.FieldName(parameter) == RecipeShape.NameField)
                throw new ArgumentException(
                    $"{type.FullName}: a parameter cannot be called {RecipeShape.NameField}, which chooses the part"
                );
            if (RecipeShape.PropertyOf(parameter) is null)
                throw new ArgumentException($"{type.FullName} must have a public property for its parameter {parameter.Name}");
            var value = RecipeShape.ElementOf(parameter.ParameterType) ?? parameter.ParameterType;
            value = Nullable.GetUnderlyingType(value) ?? value;
            if (value is { IsValueType: true, IsEnum: false } && !RecipeShape.Scalars.Contains(value))
                throw new ArgumentException(
                    $"{type.FullName}: parameter {parameter.Name} must be double, int, long, ulong, bool, an enum, a string, a record or a "
                        + $"list of these, not {value.Name}"
                );
        }
    }

    /// <summary>All parts that derive from a base, ours and own ones, by name.</summary>
    internal static IReadOnlyDictionary<string, Type> Of(Type type)
    {
        if (registries.TryGetValue(Root(type), out var registry))
            return registry.All().Where(part => part.Type.IsAssignableTo(type)).ToDictionary(part => part.Name, part => part.Type);
        var known = ours.GetOrAdd(type, Ours);
        var registered = own.GetValueOrDefault(Root(type), ImmutableDictionary<string, Type>.Empty)
            .Where(part => part.Value.IsAssignableTo(type));
        return new Dictionary<string, Type>(known.Concat(registered));
    }

    /// <summary>Whether a part was registered by a program.</summary>
    internal static bool IsOwn(Type type) => own.GetValueOrDefault(Root(type))?.ContainsValue(type) == true;

    private static Dictionary<string, Type> Ours(Type type) =>
        type.Assembly.GetTypes().Where(t => !t.IsAbstract && t.IsPublic && t.IsAssignableTo(type)).ToDictionary(NameOf, t => t);

    private static Type? Known(Type root, ImmutableDictionary<Type, ImmutableDictionary<string, Type>> all, string name) =>
        registries.TryGetValue(root, out var registry) ? registry.All().FirstOrDefault(part => part.Name == name).Type
        : ours.GetOrAdd(root, Ours).TryGetValue(name, out var type) ? type
        : all.GetValueOrDefault(root, ImmutableDictionary<string, Type>.Empty).GetValueOrDefault(name);

    /// <summary>Whether own records of a base can be registered.</summary>
    internal static bool IsBase(Type root) => registries.ContainsKey(root) || root.GetCustomAttribute<RecipePartAttribute>() is not null;

    /// <summary>The topmost abstract base of a record.</summary>
    internal static Type Root(Type type)
    {
        var root = type;
        while (root.BaseType is { IsAbstract: true } parent && parent != typeof(object))
            root = parent;
        return root;
    }

    private static string KindOf(Type root) =>
        registries.TryGetValue(root, out var registry) ? registry.Noun : root.GetCustomAttribute<RecipePartAttribute>()!.Kind;

    private static string NameOf(Type type) => type.GetCustomAttribute<RecipeNameAttribute>()?.Name ?? RecipeShape.Snake(type.Name);
}
