using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Tessera.Generator.Tests;

/// <summary>Programs of a user's, compiled against Tessera.Torch with its generator and its analyzer.</summary>
internal static class Compiled
{
    private static readonly Lazy<MetadataReference[]> references = new(() =>
        [
            .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
                .Split(Path.PathSeparator)
                .Select(path => MetadataReference.CreateFromFile(path)),
        ]
    );

    private static readonly CSharpParseOptions language = new(LanguageVersion.Preview);

    private const string Usings =
        "global using System; global using System.Collections.Generic; global using System.Threading.Tasks; "
        + "global using Tessera; global using Tessera.Nn;";

    private static CSharpCompilation Parsed(string code, OutputKind kind) =>
        CSharpCompilation.Create(
            "own",
            [CSharpSyntaxTree.ParseText(Usings, language), CSharpSyntaxTree.ParseText(code, language, "own.cs")],
            references.Value,
            new(kind, nullableContextOptions: NullableContextOptions.Enable)
        );

    /// <summary>What the analyzer says of code that compiles: line and message of each.</summary>
    /// <param name="code">The code.</param>
    /// <param name="kind">Whether it has statements outside of classes.</param>
    internal static async Task<string[]> Warnings(string code, OutputKind kind = OutputKind.DynamicallyLinkedLibrary)
    {
        var compilation = Parsed(code, kind);
        Assert.Empty(compilation.GetDiagnostics().Where(found => found.Severity == DiagnosticSeverity.Error));
        var found = await compilation
            .WithAnalyzers(ImmutableArray.Create<DiagnosticAnalyzer>(new RegionAnalyzer()))
            .GetAnalyzerDiagnosticsAsync();
        Assert.All(found, diagnostic => Assert.Equal(("TSR005", DiagnosticSeverity.Warning), (diagnostic.Id, diagnostic.Severity)));
        return
        [
            .. found
                .OrderBy(diagnostic => diagnostic.Location.SourceSpan.Start)
                .Select(diagnostic =>
                    $"{diagnostic.Location.GetLineSpan().StartLinePosition.Line + 1}: {string.Join(' ', diagnostic.GetMessage(null).Split(' ')[..5])}"
                ),
        ];
    }

    /// <summary>The errors of code with the lists of its modules' members, and the file that was generated, if any.</summary>
    /// <param name="code">The code.</param>
    internal static (string[] Errors, string? Generated) Modules(string code)
    {
        CSharpGeneratorDriver
            .Create([new ModuleGenerator().AsSourceGenerator()], parseOptions: language)
            .RunGeneratorsAndUpdateCompilation(Parsed(code, OutputKind.DynamicallyLinkedLibrary), out var output, out var problems);
        return (
            [
                .. problems
                    .Concat(output.GetDiagnostics())
                    .Where(found => found.Severity == DiagnosticSeverity.Error)
                    .Select(found => found.Id),
            ],
            output.SyntaxTrees.FirstOrDefault(tree => tree.FilePath.EndsWith(".g.cs", StringComparison.Ordinal))?.ToString()
        );
    }
}
