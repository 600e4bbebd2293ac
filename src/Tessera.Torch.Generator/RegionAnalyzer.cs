using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Tessera.Generator;

/// <summary>Warns where a region that holds for its thread (a Scope, NoGrad, Taps, ...) is open over an await or a yield return.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class RegionAnalyzer : DiagnosticAnalyzer
{
    private static readonly DiagnosticDescriptor HeldOver = new(
        "TSR005",
        "A region is held over await or yield",
        "{0} is held over {1}: the code after it may run on another thread, where the region does not hold and cannot end; end it before, "
            + "and begin another after it",
        "Tessera",
        DiagnosticSeverity.Warning,
        true
    );

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(HeldOver);

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(start =>
        {
            if (start.Compilation.GetTypeByMetadataName("Tessera.ThreadRegion") is not { } region)
                return;
            start.RegisterSyntaxNodeAction(node => Look(node, region), SyntaxKind.LocalDeclarationStatement, SyntaxKind.UsingStatement);
        });
    }

    private static void Look(SyntaxNodeAnalysisContext context, INamedTypeSymbol region)
    {
        var (begun, held) = context.Node switch
        {
            LocalDeclarationStatementSyntax { UsingKeyword.RawKind: not 0 } local => (Values(local.Declaration), After(local)),
            UsingStatementSyntax { Declaration: { } declaration } statement => (Values(declaration), new[] { statement.Statement }),
            UsingStatementSyntax { Expression: { } expression } statement => (new[] { expression }, new[] { statement.Statement }),
            _ => (Enumerable.Empty<ExpressionSyntax>(), Enumerable.Empty<SyntaxNode>()),
        };
        string? suspension = null;
        foreach (var expression in begun)
        {
            if (context.SemanticModel.GetTypeInfo(expression, context.CancellationToken).Type is not { } type || !Derives(type, region))
                continue;
            suspension ??= held.Select(Suspension).FirstOrDefault(found => found is not null);
            if (suspension is null)
                return;
            context.ReportDiagnostic(Diagnostic.Create(HeldOver, expression.GetLocation(), type.Name, suspension));
        }
    }

    private static IEnumerable<ExpressionSyntax> Values(VariableDeclarationSyntax declaration) =>
        declaration.Variables.Select(variable => variable.Initializer?.Value).OfType<ExpressionSyntax>();

    // What a using declaration holds over: the rest of its block.
    private static IEnumerable<SyntaxNode> After(LocalDeclarationStatementSyntax local)
    {
        IEnumerable<SyntaxNode> block = local.Parent switch
        {
            BlockSyntax parent => parent.Statements,
            SwitchSectionSyntax section => section.Statements,
            GlobalStatementSyntax { Parent: CompilationUnitSyntax unit } => unit.Members.OfType<GlobalStatementSyntax>(),
            _ => Enumerable.Empty<SyntaxNode>(),
        };
        return block.Where(node => node.SpanStart > local.SpanStart);
    }

    // The first place where the code may go on on another thread; functions inside of it run at times of their own.
    private static string? Suspension(SyntaxNode code) =>
        code.DescendantNodesAndSelf(node => node is not (AnonymousFunctionExpressionSyntax or LocalFunctionStatementSyntax))
            .Select(node =>
                node switch
                {
                    AwaitExpressionSyntax
                    or CommonForEachStatementSyntax { AwaitKeyword.RawKind: not 0 }
                    or UsingStatementSyntax { AwaitKeyword.RawKind: not 0 }
                    or LocalDeclarationStatementSyntax { AwaitKeyword.RawKind: not 0 } => "await",
                    YieldStatementSyntax { RawKind: (int)SyntaxKind.YieldReturnStatement } => "yield return",
                    _ => null,
                }
            )
            .FirstOrDefault(found => found is not null);

    private static bool Derives(ITypeSymbol type, INamedTypeSymbol region)
    {
        for (ITypeSymbol? t = type; t is not null; t = t.BaseType)
            if (SymbolEqualityComparer.Default.Equals(t, region))
                return true;
        return false;
    }
}
