using System.CodeDom.Compiler;
using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Tessera;

/// <summary>
/// Looks, once per class, whether all that a module holds is registered: what is not would be neither trained nor saved, and nothing would
/// say so.
/// </summary>
internal static class Registration
{
    private const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    // Lists in lists, and tuples in those, as far as anybody nests them.
    private const int Depth = 3;

    private static readonly ConcurrentDictionary<Type, string?> problems = new();
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> unseen = new();

    /// <summary>Looks at a class before it has values: fields of members, but no list of members.</summary>
    /// <exception cref="InvalidOperationException">The generator did not run for it.</exception>
    internal static void CheckClass(Type type)
    {
        if (problems.GetOrAdd(type, Problem) is { } problem)
            throw new InvalidOperationException(problem);
    }

    private static string? Problem(Type type)
    {
        foreach (var level in Levels(type))
        {
            if (level.GetMethod("ListMembers", Own, [typeof(Module.Members)]) is not null)
                continue;
            // A parameter of a constructor that only the constructor's base class takes is listed there.
            var field = level.GetFields(Own).FirstOrDefault(field => !IsCaptured(field) && !IsExempt(field) && MayHold(field.FieldType));
            if (field is not null)
                return $"{Name(level)}.{Name(field)} {Consequence}: no list of members was generated for {Name(level)}. Declare the class "
                    + "partial, and let the project's reference to Tessera bring its source generator, or mark the field NotRegistered";
        }
        return null;
    }

    /// <summary>Looks at the values of the fields in which the class was not seen to hold registered members yet.</summary>
    /// <exception cref="InvalidOperationException">A field holds a member that is not registered.</exception>
    internal static void CheckValues(Module module, Func<HashSet<object>> registered)
    {
        var type = module.GetType();
        var fields = unseen.GetOrAdd(type, Suspects);
        if (fields.Length == 0)
            return;
        HashSet<object>? known = null;
        var empty = new List<FieldInfo>(fields.Length);
        foreach (var field in fields)
        {
            if (field.GetValue(module) is not { } value)
            {
                empty.Add(field);
                continue;
            }
            if (MembersIn(value, Depth).FirstOrDefault(member => !(known ??= registered()).Contains(member)) is { } member)
                throw new InvalidOperationException(
                    $"{Name(field.DeclaringType!)}.{Name(field)} {Consequence}: it holds a {Name(member.GetType())} that is not "
                        + "registered. Make it a field whose type is a module, parameter, buffer or ModuleList, or mark the field "
                        + "NotRegistered"
                );
        }
        if (empty.Count < fields.Length)
            unseen[type] = [.. empty];
    }

    private const string Consequence = "would be neither trained nor saved";

    // What a generated list cannot have missed needs no look: plain fields of members in classes that list theirs.
    private static FieldInfo[] Suspects(Type type) =>
        [
            .. Levels(type)
                .Where(level => !ListsItself(level))
                .SelectMany(level => level.GetFields(Own))
                .Where(field => !IsExempt(field) && MayHide(field)),
        ];

    // A list that somebody wrote leaves out what it means to leave out.
    private static bool ListsItself(Type level) =>
        level.GetMethod("ListMembers", Own, [typeof(Module.Members)]) is { } list && !list.IsDefined(typeof(GeneratedCodeAttribute));

    private static bool MayHide(FieldInfo field) =>
        IsCaptured(field)
            ? MayHold(field.FieldType)
            : !IsMember(field.FieldType)
                && (
                    MayHold(field.FieldType)
                    || field.FieldType == typeof(object)
                    || field.FieldType == typeof(Tensor)
                    || field.FieldType.IsInterface
                    || field.FieldType.IsArray && !field.FieldType.GetElementType()!.IsValueType
                );

    private static IEnumerable<object> MembersIn(object value, int depth) =>
        value switch
        {
            Module or Parameter or ModuleBuffer => [value],
            Array or IList or IDictionary or ITuple when depth > 0 => Items(value)
                .OfType<object>()
                .SelectMany(item => MembersIn(item, depth - 1)),
            _ => [],
        };

    private static IEnumerable<object?> Items(object value) =>
        value switch
        {
            ITuple tuple => Enumerable.Range(0, tuple.Length).Select(i => tuple[i]),
            IDictionary named => named.Keys.Cast<object?>().Concat(named.Values.Cast<object?>()),
            _ => ((IEnumerable)value).Cast<object?>(),
        };

    private static IEnumerable<Type> Levels(Type type)
    {
        for (var level = type; level is not null && level != typeof(Module); level = level.BaseType)
            if (level.Assembly != typeof(Module).Assembly)
                yield return level;
    }

    private static bool IsMember(Type type) => IsA<Module>(type) || IsA<Parameter>(type) || IsA<ModuleBuffer>(type);

    private static bool IsA<T>(Type type) => type.IsAssignableTo(typeof(T));

    private static bool MayHold(Type type) =>
        IsMember(type)
        || (type.IsArray && MayHold(type.GetElementType()!))
        || (type.IsGenericType && !IsA<Delegate>(type) && type.GetGenericArguments().Any(MayHold));

    private static bool IsExempt(FieldInfo field) =>
        field.IsDefined(typeof(NotRegisteredAttribute))
        || Backed(field) is { } name && field.DeclaringType!.GetProperty(name, Own)?.IsDefined(typeof(NotRegisteredAttribute)) == true;

    // <Tail>k__BackingField belongs to the property Tail, <inner>P to the constructor's parameter inner.
    private static string? Backed(FieldInfo field) =>
        field.Name.StartsWith('<') && field.Name.IndexOf('>', StringComparison.Ordinal) is var end and > 0 ? field.Name[1..end] : null;

    private static bool IsCaptured(FieldInfo field) => field.Name.StartsWith('<') && field.Name.EndsWith(">P", StringComparison.Ordinal);

    private static string Name(FieldInfo field) => Backed(field) ?? field.Name;

    private static string Name(Type type) => type.Name.Split('`')[0];
}
