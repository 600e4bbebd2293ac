using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Tessera.Cli.Commands;
using Tessera.Cli.Shell;

namespace Tessera.Cli;

/// <summary>The commands and how they are run: parsing, help, exit codes.</summary>
internal static class CommandLine
{
    internal static int Run(string[] arguments)
    {
        LastingOutput.Install();
        try
        {
            arguments = LaunchCommand.Separated(arguments);
            var parsed = Root().Parse(arguments);
            if (parsed.Action is ParseErrorAction)
                return Refuse(parsed, parsed.Errors[0].Message.TrimEnd('.'), parsed.UnmatchedTokens is [var word, ..] ? word : null);
            // The library hands unknown options on to a command's arguments.
            if (UnknownOption(parsed, arguments) is { } unknown)
                return Refuse(parsed, $"Unrecognized option '{unknown}'", unknown);
            // Signals and errors are handled here: a training has to write its checkpoint first.
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception error)
        {
            return Errors.Report(error, Console.Error);
        }
    }

    internal static RootCommand Root()
    {
        var root = new RootCommand("Train, measure and use vision transformers on .NET and libtorch.")
        {
            GlobalOptions.Json,
            GlobalOptions.Quiet,
            TrainCommand.Create(),
            LaunchCommand.Create(),
            EvalCommand.Create(),
            ProbeCommand.Create(),
            ScoreCommand.Create(),
            IndexCommand.Create(),
            SearchCommand.Create(),
            ScoreImagesCommand.Create(),
            PredictCommand.Create(),
            GenerateCommand.Create(),
            ExplainCommand.Create(),
            CompareCommand.Create(),
            CompareRunsCommand.Create(),
            AverageCommand.Create(),
            InspectCommand.Create(),
            ConvertCommand.Create(),
            TokenLabelsCommand.Create(),
            DataCommand.Create(),
            ModelsCommand.Create(),
            InfoCommand.Create(),
            BenchCommand.Create(),
            CompletionCommand.Create(),
        };
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            var action = new HelpWithExamples((HelpAction)help.Action!);
            help.Action = action;
            root.SetAction(parsed => action.Invoke(parsed));
        }
        return root;
    }

    private static string? UnknownOption(ParseResult parsed, string[] arguments)
    {
        var taken = arguments.TakeWhile(argument => argument != "--").ToHashSet();
        return parsed.Action is HelpWithExamples || parsed.CommandResult.Command is ExampleCommand { PassesOptionsOn: true }
            ? null
            : parsed
                .CommandResult.Children.OfType<ArgumentResult>()
                .SelectMany(result => result.Tokens)
                .Select(token => token.Value)
                .FirstOrDefault(value => value.Length > 1 && value[0] == '-' && taken.Contains(value));
    }

    private static int Refuse(ParseResult parsed, string problem, string? word)
    {
        var command = parsed.CommandResult.Command;
        var known = command
            .Subcommands.Select(c => c.Name)
            .Concat(command.Options.Select(o => o.Name))
            .Concat([GlobalOptions.Json.Name, GlobalOptions.Quiet.Name]);
        var meant = word is null ? null : Spelling.Meant(word, known);
        Errors.WriteLine(Console.Error, $"{problem}{(meant is null ? "" : $": did you mean {meant}?")}; see {PathOf(command)} --help");
        return ExitCode.UserError;
    }

    private static string PathOf(Command command) =>
        command is RootCommand
            ? "tessera"
            : string.Join(' ', command.Parents.OfType<Command>().Take(1).Select(PathOf).Append(command.Name));
}
