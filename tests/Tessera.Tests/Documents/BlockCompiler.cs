using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Tessera.Hosting.Tests.Documents;

/// <summary>
/// Compiles blocks of C# against the library, as a project does that refers to it: with the implicit usings of its SDK and with the source
/// generator. A fragment sees the namespaces of the library, too, and the variables that it takes as given.
/// </summary>
internal sealed class BlockCompiler
{
    private static readonly CSharpParseOptions language = new(LanguageVersion.Preview);

    // As Microsoft.NET.Sdk and Microsoft.NET.Sdk.Web have them.
    private static readonly string[] ofSdk =
    [
        "System",
        "System.Collections.Generic",
        "System.IO",
        "System.Linq",
        "System.Net.Http",
        "System.Threading",
        "System.Threading.Tasks",
    ];

    private static readonly string[] ofWebSdk =
    [
        "System.Net.Http.Json",
        "Microsoft.AspNetCore.Builder",
        "Microsoft.AspNetCore.Hosting",
        "Microsoft.AspNetCore.Http",
        "Microsoft.AspNetCore.Routing",
        "Microsoft.Extensions.Configuration",
        "Microsoft.Extensions.DependencyInjection",
        "Microsoft.Extensions.Hosting",
        "Microsoft.Extensions.Logging",
    ];

    private readonly MetadataReference[] references;
    private readonly string[] ours;
    private readonly ISourceGenerator[] generators;

    internal BlockCompiler()
    {
        // What these tests run with: the runtime, ASP.NET, the library and its packages.
        var files = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);
        references = [.. files.Select(file => MetadataReference.CreateFromFile(file))];
        ours =
        [
            .. files
                .Where(file => IsOurs(Path.GetFileNameWithoutExtension(file)))
                .SelectMany(file => Assembly.LoadFrom(file).GetExportedTypes())
                .Select(type => type.Namespace)
                .OfType<string>()
                .Distinct(),
        ];
        // The tests lie in artifacts/bin/Tessera.Tests/CONFIGURATION.
        var generator = Path.Combine(
            AppContext.BaseDirectory,
            "../../Tessera.Torch.Generator",
            new DirectoryInfo(AppContext.BaseDirectory).Name,
            "Tessera.Torch.Generator.dll"
        );
        generators =
        [
            .. Assembly
                .LoadFrom(Path.GetFullPath(generator))
                .GetTypes()
                .Where(type => type.IsAssignableTo(typeof(IIncrementalGenerator)))
                .Select(type => ((IIncrementalGenerator)Activator.CreateInstance(type)!).AsSourceGenerator()),
        ];
    }

    private static bool IsOurs(string assembly) =>
        assembly
            is "Tessera"
                or "Tessera.Torch"
                or "Tessera.Models"
                or "Tessera.Data"
                or "Tessera.Search"
                or "Tessera.Training"
                or "Tessera.Deploy"
                or "Tessera.Retrieval";

    /// <summary>The errors of a block, each with document and line.</summary>
    internal IReadOnlyList<string> Errors(CodeBlock block)
    {
        var code = CSharpSyntaxTree.ParseText($"#line {block.Line + 1} \"{block.File}\"\n{block.Code}", language);
        var isProgram = ((CompilationUnitSyntax)code.GetRoot()).Members.OfType<GlobalStatementSyntax>().Any();
        Compilation compilation = CSharpCompilation.Create(
            "Block",
            [code, CSharpSyntaxTree.ParseText(Frame(block), language)],
            references,
            new(
                isProgram ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary,
                nullableContextOptions: NullableContextOptions.Enable
            )
        );
        CSharpGeneratorDriver
            .Create(generators, parseOptions: language)
            .RunGeneratorsAndUpdateCompilation(compilation, out compilation, out var ofGenerators);
        return
        [
            .. compilation
                .GetDiagnostics()
                .Concat(ofGenerators)
                .Where(one => one.Severity == DiagnosticSeverity.Error)
                .Select(one => $"{Place(one, block)}: {one.Id}: {one.GetMessage(null)}"),
        ];
    }

    private static string Place(Diagnostic error, CodeBlock block)
    {
        var place = error.Location.GetMappedLineSpan();
        return place is { HasMappedPath: true } ? $"{place.Path}:{place.StartLinePosition.Line + 1}" : $"{block.File}:{block.Line}";
    }

    private string Frame(CodeBlock block)
    {
        var isWeb = block.Code.Contains("WebApplication", StringComparison.Ordinal);
        string[] namespaces = [.. ofSdk, .. isWeb ? ofWebSdk : [], .. block.Given is null ? [] : ours];
        var usings = string.Join('\n', namespaces.Select(name => $"global using global::{name};"));
        return block.Given is null
            ? usings
            : $$"""
                {{usings}}
                global using static Given;

                static class Given
                {
                {{string.Join('\n', Variables(block.Given).Select(one => $"    public static {one} = default!;"))}}
                }
                """;
    }

    // Tuples and generic types have commas of their own.
    private static IEnumerable<string> Variables(string given) =>
        SyntaxFactory.ParseParameterList($"({given})").Parameters.Select(parameter => parameter.ToString());
}
