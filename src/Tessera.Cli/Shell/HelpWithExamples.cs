using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Tessera.Cli.Shell;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class ExampleCommand(string name, string description) : Command(name, description)
{
    /// <summary>Command lines and what each does.</summary>
    internal required IReadOnlyList<(string Line, string Purpose)> Examples { get; init; }

    /// <summary>Whether unknown options are passed on to the started program.</summary>
    internal bool PassesOptionsOn { get; init; }
}

/// <summary>The usual help, then the command's examples.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    private const int LineWidth = 50;

    private static readonly (string, string)[] First =
    [
        ("tessera train", "train a compact transformer on Fashion-MNIST in some minutes"),
        ("tessera models 'cct_*'", "list the models of a family"),
        ("tessera info", "show the hardware and how to make it faster"),
    ];

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parsed)
    {
        var output = parsed.InvocationConfiguration.Output;
        var code = WriteUsage(parsed, output);
        var command = parsed.CommandResult.Command;
        output.WriteLine("Examples:");
        foreach (var (line, purpose) in command is ExampleCommand own ? own.Examples : First)
            output.WriteLine(line.Length > LineWidth ? $"  {line}\n  {"", -LineWidth}  {purpose}" : $"  {line, -LineWidth}  {purpose}");
        output.WriteLine();
        if (command is RootCommand)
            output.WriteLine(
                $"Exit codes: {ExitCode.Success} success, {ExitCode.Failure} failure, {ExitCode.UserError} wrong input, "
                    + $"{ExitCode.Interrupted} interrupted."
            );
        return code;
    }

    // The library names the assembly, people start the program by another name.
    private int WriteUsage(ParseResult parsed, TextWriter output)
    {
        var configuration = parsed.InvocationConfiguration;
        using var usage = new StringWriter();
        configuration.Output = usage;
        try
        {
            var code = help.Invoke(parsed);
            output.Write(usage.ToString().Replace($"  {RootCommand.ExecutableName}", "  tessera", StringComparison.Ordinal));
            return code;
        }
        finally
        {
            configuration.Output = output;
        }
    }
}
