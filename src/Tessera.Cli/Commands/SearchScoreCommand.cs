using System.CommandLine;
using Tessera.Cli.Shell;
using Tessera.Search.Running;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search score</c>: scores a network of a search once more.</summary>
internal static class SearchScoreCommand
{
    private static readonly Argument<string> Genome = new("genome")
    {
        HelpName = "genome",
        Description = "The network, as tessera search show --json prints it.",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand("score", "Score a network of a search once more, and compare with what the search has kept.")
        {
            Examples =
            [
                (
                    "tessera search score runs/mine \"$(tessera search show runs/mine --top 1 --json | jq -r '.networks[0].genome')\"",
                    "score the best network again"
                ),
            ],
            Arguments = { SearchCommand.Folder, Genome },
            Options = { SearchCommand.Stage },
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        using var search = SearchRun.Open(parsed.GetRequiredValue(SearchCommand.Folder));
        var again = Rescoring.Of(search, parsed.GetRequiredValue(Genome), parsed.GetValue(SearchCommand.Stage), interruption.Token);
        if (terminal.Json)
            Terminal.WriteJson(
                new
                {
                    again.Stage,
                    again.Genome,
                    Score = again.Score.Value,
                    again.Score.StandardError,
                    Kept = again.Before?.Score,
                    Equal = again.IsEqual,
                }
            );
        else if (terminal.Quiet)
            Terminal.Result(FormattableString.Invariant($"{again.Score.Value:R}"));
        else
            terminal.Note(
                FormattableString.Invariant($"score {again.Score.Value:R}, standard error {again.Score.StandardError:G4}: ")
                    + again.IsEqual switch
                    {
                        true => "equal to the database's",
                        false => FormattableString.Invariant($"not equal to the database's, {again.Before!.Score:R}"),
                        null => "the database has no score of this network",
                    }
            );
        return again.IsEqual == false ? ExitCode.Failure : ExitCode.Success;
    }
}
