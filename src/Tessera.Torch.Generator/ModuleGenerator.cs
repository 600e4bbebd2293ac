using System.Collections.Generic;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace Tessera.Generator;

/// <summary>
/// Lists the parameters, buffers and children of every module class, under their names in the state dict, without
/// reflection at run time: <c>patchEmbed</c> is <c>patch_embed</c>, unless a Name attribute says otherwise.
/// </summary>
[Generator]
public sealed class ModuleGenerator : IIncrementalGenerator
{
    private static readonly DiagnosticDescriptor NotPartial = new(
        "TSR002",
        "Module class is not partial",
        "'{0}' has parameters, buffers or modules as fields: declare it partial, so that they can be registered",
        "Tessera",
        DiagnosticSeverity.Error,
        true
    );

    private static readonly DiagnosticDescriptor PlainCollection = new(
        "TSR003",
        "Modules in a plain collection",
        "'{0}' holds parameters or modules that would not be registered: use ModuleList or separate fields, or mark it NotRegistered",
        "Tessera",
        DiagnosticSeverity.Error,
        true
    );

    private static readonly DiagnosticDescriptor Captured = new(
        "TSR004",
        "A constructor's parameter holds modules",
        "'{0}' is a constructor's parameter that the class keeps, so it would not be registered: give it a field of its own",
        "Tessera",
        DiagnosticSeverity.Error,
        true
    );

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var classes = context
            .SyntaxProvider.CreateSyntaxProvider(
                static (node, _) => node is ClassDeclarationSyntax { BaseList: not null },
                static (syntax, token) =>
                    Describe(
                        (INamedTypeSymbol?)syntax.SemanticModel.GetDeclaredSymbol(syntax.Node, token),
                        (ClassDeclarationSyntax)syntax.Node
                    )
            )
            .Where(static found => found is not null);
        context.RegisterSourceOutput(classes, static (output, found) =>
        {
            if (found!.Error is { } name)
                output.ReportDiagnostic(Diagnostic.Create(found.Problem!, found.Location, name));
            else
                output.AddSource(found.File, SourceText.From(found.Source, Encoding.UTF8));
        });
    }

    private sealed record Found(string File, string Source, DiagnosticDescriptor? Problem, string? Error, Location? Location);

    private static Found? Describe(INamedTypeSymbol? type, ClassDeclarationSyntax syntax)
    {
        if (type is null || !Derives(type.BaseType, "Module") || type.GetMembers("ListMembers").Length > 0)
            return null;
        // A partial class has several declarations with a base list at most once in practice: take the first.
        if (
            type.DeclaringSyntaxReferences.Select(r => r.GetSyntax()).OfType<ClassDeclarationSyntax>().First(s => s.BaseList != null)
            != syntax
        )
            return null;

        // A class that lists its members itself (those of an array, say) knows better.
        if (type.GetMembers("ListMembers").Length > 0)
            return null;

        var lines = new List<string>();
        foreach (var field in type.GetMembers().OfType<IFieldSymbol>())
        {
            var member = field.AssociatedSymbol ?? field;
            var attributes = member.GetAttributes();
            if (field.IsStatic || attributes.Any(a => a.AttributeClass?.Name == "NotRegisteredAttribute"))
                continue;
            // The compiler's own field for a parameter: <inner>P.
            if (field.IsImplicitlyDeclared && field.AssociatedSymbol is null)
            {
                if (!IsMember(field.Type) && !HoldsMembers(field.Type))
                    continue;
                return new Found(
                    "",
                    "",
                    Captured,
                    type.Name + "." + field.Name.TrimStart('<').Split('>')[0],
                    syntax.Identifier.GetLocation()
                );
            }
            if (!IsMember(field.Type))
            {
                if (!HoldsMembers(field.Type))
                    continue;
                return new Found("", "", PlainCollection, type.Name + "." + member.Name, member.Locations.FirstOrDefault());
            }
            var given = attributes.FirstOrDefault(a => a.AttributeClass?.Name == "NameAttribute")?.ConstructorArguments[0].Value as string;
            lines.Add(
                "        members.Add(\""
                    + (given ?? Snake(member.Name))
                    + "\", this."
                    + (IsKeyword(member.Name) ? "@" : "")
                    + member.Name
                    + ");"
            );
        }
        if (lines.Count == 0)
            return null;
        for (INamedTypeSymbol? t = type; t != null; t = t.ContainingType)
            if (
                !t
                    .DeclaringSyntaxReferences.Select(r => r.GetSyntax())
                    .OfType<TypeDeclarationSyntax>()
                    .All(s => s.Modifiers.Any(m => m.Text == "partial"))
            )
                return new Found("", "", NotPartial, t.Name, syntax.Identifier.GetLocation());

        var output = new StringBuilder("// <auto-generated/>\n#nullable enable\n");
        if (!type.ContainingNamespace.IsGlobalNamespace)
            output.Append("namespace ").Append(type.ContainingNamespace.ToDisplayString()).Append(";\n");
        var chain = new List<INamedTypeSymbol>();
        for (INamedTypeSymbol? t = type; t != null; t = t.ContainingType)
            chain.Insert(0, t);
        foreach (var t in chain)
            output
                .Append("partial ")
                .Append(t.IsRecord ? "record " : "class ")
                .Append(
                    t.ToDisplayString(
                        SymbolDisplayFormat
                            .MinimallyQualifiedFormat.WithGenericsOptions(SymbolDisplayGenericsOptions.IncludeTypeParameters)
                            .WithKindOptions(SymbolDisplayKindOptions.None)
                    )
                )
                .Append("\n{\n");
        output.Append(
            "    /// <inheritdoc/>\n    [global::System.CodeDom.Compiler.GeneratedCode(\"Tessera.Torch.Generator\", \"1\")]\n"
                + "    protected override void ListMembers(global::Tessera.Module.Members members)\n"
                + "    {\n        base.ListMembers(members);\n"
        );
        foreach (var line in lines)
            output.Append(line).Append('\n');
        output.Append("    }\n");
        foreach (var _ in chain)
            output.Append("}\n");
        var file = type.ToDisplayString().Replace('<', '{').Replace('>', '}').Replace(", ", ",") + ".Members.g.cs";
        return new Found(file, output.ToString(), null, null, null);
    }

    private static bool IsMember(ITypeSymbol type) =>
        type switch
        {
            INamedTypeSymbol named => Derives(named, "Module") || Derives(named, "Parameter") || Derives(named, "ModuleBuffer"),
            ITypeParameterSymbol parameter => parameter.ConstraintTypes.Any(IsMember),
            _ => false,
        };

    // Arrays and lists of members; functions that take or make some are none of a module's own.
    private static bool HoldsMembers(ITypeSymbol type) =>
        type switch
        {
            IArrayTypeSymbol array => IsMember(array.ElementType) || HoldsMembers(array.ElementType),
            INamedTypeSymbol { TypeKind: not TypeKind.Delegate } named => named.TypeArguments.Any(t => IsMember(t) || HoldsMembers(t)),
            _ => false,
        };

    private static bool Derives(INamedTypeSymbol? type, string name)
    {
        for (; type != null; type = type.BaseType)
            if (type.Name == name && type.ContainingNamespace?.ToDisplayString() == "Tessera")
                return true;
        return false;
    }

    private static bool IsKeyword(string name) =>
        Microsoft.CodeAnalysis.CSharp.SyntaxFacts.GetKeywordKind(name) != Microsoft.CodeAnalysis.CSharp.SyntaxKind.None;

    private static string Snake(string name)
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
}
