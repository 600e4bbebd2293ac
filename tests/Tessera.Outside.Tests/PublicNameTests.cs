using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Outside.Tests;

/// <summary>Names of public types: a file with the implicit usings and ours says each without its namespace.</summary>
public sealed class PublicNameTests
{
    private static readonly string[] implicitUsings =
    [
        "System",
        "System.IO",
        "System.Linq",
        "System.Net.Http",
        "System.Threading",
        "System.Threading.Tasks",
        "System.Collections.Generic",
    ];

    // All assemblies of ours that users get: the tests' own and the command line are not among them.
    private static Assembly[] Libraries =>
        [
            .. Directory
                .EnumerateFiles(AppContext.BaseDirectory, "Tessera*.dll")
                .Where(file => !Path.GetFileName(file).Contains("Test", StringComparison.Ordinal))
                .Select(Assembly.LoadFrom)
                .Where(assembly => assembly.GetName().Name is not "Tessera.Cli"),
        ];

    private static IEnumerable<Type> PublicTypes =>
        Libraries.SelectMany(library => library.GetExportedTypes()).Where(type => !type.IsNested);

    // Types of a name that differ in their parameters do not clash: Backbone and Backbone<TConfig>.
    private static Dictionary<string, string> OfDotNet()
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(RuntimeEnvironment.GetRuntimeDirectory(), "System*.dll"))
        foreach (var type in Assembly.Load(Path.GetFileNameWithoutExtension(file)).GetExportedTypes())
            if (!type.IsNested && implicitUsings.Contains(type.Namespace))
                names[type.Name] = type.FullName!;
        return names;
    }

    [Fact]
    public void All_libraries_are_looked_at() =>
        Assert.Superset(
            new HashSet<string>
            {
                "Tessera.Torch",
                "Tessera.Models",
                "Tessera.Data",
                "Tessera.Training",
                "Tessera.Deploy",
                "Tessera.Retrieval",
                "Tessera.Search",
                "Tessera",
            },
            Libraries.Select(library => library.GetName().Name!).ToHashSet()
        );

    [Fact]
    public void None_is_that_of_a_type_of_the_implicit_usings()
    {
        var taken = OfDotNet();
        Assert.Superset(
            new HashSet<string> { "Buffer", "Range", "File", "Enumerable", "HttpClient", "Lock", "Task", "List`1" },
            taken.Keys.ToHashSet(StringComparer.Ordinal)
        );
        Assert.Empty(PublicTypes.Where(type => taken.ContainsKey(type.Name)).Select(type => $"{type.FullName} and {taken[type.Name]}"));
    }

    [Fact]
    public void None_is_that_of_another_of_ours() =>
        Assert.Empty(
            PublicTypes
                .GroupBy(type => type.Name, StringComparer.Ordinal)
                .Where(group => group.Count() > 1)
                .Select(group => string.Join(" and ", group.Select(type => type.FullName)))
        );
}
