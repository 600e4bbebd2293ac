using System.Reflection;
using System.Text.RegularExpressions;
using Mono.Cecil;
using Xunit;

namespace Tessera.Testing;

/// <summary>The rules that the namespaces of every project in src/ keep.</summary>
public static partial class NamespaceRules
{
    /// <summary>
    /// Checks that every file's namespace is the project's root namespace followed by the file's folders, and that the namespaces of the
    /// compiled assembly depend on each other without a circle.
    /// </summary>
    /// <param name="assembly">Compiled from the folder of its name in src/.</param>
    /// <param name="root">Its root namespace; the assembly's name when left out.</param>
    public static void Check(Assembly assembly, string? root = null)
    {
        var name = assembly.GetName().Name!;
        if (Misplaced(Path.Combine(Repository.Root, "src", name), root ?? name).FirstOrDefault() is { } misplaced)
            Assert.Fail(misplaced);
        using var compiled = AssemblyDefinition.ReadAssembly(assembly.Location);
        if (Circle(compiled.MainModule, root ?? name) is { } circle)
            Assert.Fail($"the namespaces of {name} form a circle: {circle}");
    }

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Declaration { get; }

    /// <summary>Files whose namespace is not their folder, each with the namespace that it should have.</summary>
    internal static IEnumerable<string> Misplaced(string project, string root) =>
        from file in Directory.EnumerateFiles(project, "*.cs", SearchOption.AllDirectories)
        let folder = Path.GetRelativePath(project, Path.GetDirectoryName(file)!)
        let wanted = folder == "." ? root : $"{root}.{folder.Replace(Path.DirectorySeparatorChar, '.')}"
        from Match declared in Declaration.Matches(File.ReadAllText(file))
        where declared.Groups[1].Value != wanted
        select $"{Path.GetRelativePath(project, file)} declares namespace {declared.Groups[1].Value}, its folder is that of {wanted}";

    /// <summary>A circle of namespaces, each step with two types that make it; null without one.</summary>
    internal static string? Circle(ModuleDefinition module, string root)
    {
        var steps = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        foreach (var type in module.GetTypes().Where(type => IsOurs(Space(type))))
        foreach (var used in Uses(type).SelectMany(Parts).Where(used => used.Scope == module && IsOurs(Space(used))))
            if (Space(used) != Space(type))
                (steps.TryGetValue(Space(type), out var to) ? to : steps[Space(type)] = new(StringComparer.Ordinal)).TryAdd(
                    Space(used),
                    $"{Space(type)} uses {Space(used)} ({type.FullName} uses {used.FullName})"
                );
        return steps.Keys.Select(start => Way(start, start, [])).FirstOrDefault(way => way is not null);

        bool IsOurs(string space) => space == root || space.StartsWith(root + ".", StringComparison.Ordinal);

        string? Way(string from, string back, HashSet<string> seen) =>
            steps
                .GetValueOrDefault(from, [])
                .Select(step =>
                    step.Key == back ? step.Value
                    : seen.Add(step.Key) && Way(step.Key, back, seen) is { } rest ? $"{step.Value}; {rest}"
                    : null
                )
                .FirstOrDefault(way => way is not null);
    }

    private static string Space(TypeReference type) => type.DeclaringType is { } outer ? Space(outer) : type.Namespace;

    // The types that a type names in its head, its members and their bodies.
    private static IEnumerable<TypeReference?> Uses(TypeDefinition type) =>
        [
            type.BaseType,
            .. type.Interfaces.Select(face => face.InterfaceType),
            .. type.CustomAttributes.Select(attribute => attribute.AttributeType),
            .. type.GenericParameters.SelectMany(parameter => parameter.Constraints).Select(constraint => constraint.ConstraintType),
            .. type.Fields.Select(field => field.FieldType),
            .. type.Methods.SelectMany(Signature),
            .. type.Methods.Where(method => method.HasBody).SelectMany(method => Body(method.Body)),
        ];

    private static IEnumerable<TypeReference?> Signature(MethodReference method) =>
        [
            method.ReturnType,
            .. method.Parameters.Select(parameter => parameter.ParameterType),
            .. method.GenericParameters.SelectMany(parameter => parameter.Constraints).Select(constraint => constraint.ConstraintType),
            .. method is GenericInstanceMethod generic ? generic.GenericArguments : [],
        ];

    private static IEnumerable<TypeReference?> Body(Mono.Cecil.Cil.MethodBody body) =>
        body
            .Variables.Select(variable => variable.VariableType)
            .Concat(
                body.Instructions.SelectMany(instruction =>
                    instruction.Operand switch
                    {
                        TypeReference type => [type],
                        FieldReference field => [field.DeclaringType, field.FieldType],
                        MethodReference method => Signature(method).Append(method.DeclaringType),
                        _ => Enumerable.Empty<TypeReference?>(),
                    }
                )
            );

    // A type, or the element and the arguments that it is made of.
    private static IEnumerable<TypeReference> Parts(TypeReference? type) =>
        type switch
        {
            null or GenericParameter => [],
            GenericInstanceType generic => generic.GenericArguments.Prepend(generic.ElementType).SelectMany(Parts),
            TypeSpecification made => Parts(made.ElementType),
            _ => [type],
        };
}
