using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Tessera.Cli;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class ExampleCommand(string name, string description) : Command(name, description)
{
    /// <summary>Command lines and what each does.</summary>
    internal required IReadOnlyList<(string Line, string Purpose)> Examples { get; init; }
}

/// <summary>The usual help, then the command's examples.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    private static readonly (string, string)[] First =
    [
        ("tessera train", "train a compact transformer on Fashion-MNIST, some minutes on two cores"),
        ("tessera models 'cct_*'", "the models of a family with their figures"),
        ("tessera info", "what this machine computes with and what would make it faster"),
    ];

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parsed)
    {
        var code = help.Invoke(parsed);
        var output = parsed.InvocationConfiguration.Output;
        var examples = parsed.CommandResult.Command is ExampleCommand command ? command.Examples : First;
        var width = examples.Max(example => example.Line.Length);
        output.WriteLine("Examples:");
        foreach (var (line, purpose) in examples)
            output.WriteLine(width + purpose.Length > 110 ? $"  {line}\n      {purpose}" : $"  {line.PadRight(width)}  {purpose}");
        output.WriteLine();
        if (parsed.CommandResult.Command is RootCommand)
            output.WriteLine($"Exit codes: {ExitCode.Success} done, {ExitCode.Failure} the work failed, {ExitCode.UserError} something that was asked for cannot be right, {ExitCode.Interrupted} interrupted.");
        return code;
    }
}
