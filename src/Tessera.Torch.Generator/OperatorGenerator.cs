using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Tessera.Generator;

/// <summary>Turns operators.txt into typed methods of Tensor and Torch.</summary>
[Generator]
public sealed class OperatorGenerator : IIncrementalGenerator
{
    private static readonly DiagnosticDescriptor BadSchema = new(
        "TSR001",
        "Unreadable operator schema",
        "operators.txt, line {0}: {1}",
        "Tessera",
        DiagnosticSeverity.Error,
        true
    );

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var lists = context
            .AdditionalTextsProvider.Where(file => Path.GetFileName(file.Path) == "operators.txt")
            .Select((file, token) => file.GetText(token)?.ToString() ?? "")
            // The generator comes along to every project that refers to Tessera: a file of this name there is none of ours.
            .Combine(context.CompilationProvider.Select((compilation, _) => compilation.AssemblyName == "Tessera.Torch"));
        context.RegisterSourceOutput(lists, (output, list) =>
        {
            var (text, ours) = list;
            if (!ours)
                return;
            var schemas = new List<Schema>();
            var number = 0;
            foreach (var line in text.Split('\n'))
            {
                number++;
                if (line.Trim().Length == 0 || line.StartsWith("#", StringComparison.Ordinal))
                    continue;
                try
                {
                    schemas.Add(Schema.Parse(line));
                }
                catch (FormatException e)
                {
                    output.ReportDiagnostic(Diagnostic.Create(BadSchema, Location.None, number, e.Message));
                }
            }
            output.AddSource("Operators.g.cs", SourceText.From(OperatorWriter.Write(schemas), Encoding.UTF8));
        });
    }
}
