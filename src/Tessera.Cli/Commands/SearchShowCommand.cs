using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Search;
using Tessera.Search.Results;
using Tessera.Search.Running;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search show</c>: the networks of a search so far.</summary>
internal static class SearchShowCommand
{
    private static readonly Option<int> Top = new("--top")
    {
        Description = "Number of networks.",
        HelpName = "number",
        DefaultValueFactory = _ => 10,
    };

    internal static Command Create()
    {
        IndexCommand.AtLeast(Top, 1);
        var command = new ExampleCommand("show", "List the networks of a search by their score, while it runs or afterwards.")
        {
            Examples =
            [
                ("tessera search show runs/mine", "list the ten best"),
                ("tessera search show runs/mine --top 3 --json", "print three with their whole genomes, for a program"),
            ],
            Arguments = { SearchCommand.Folder },
            Options = { SearchCommand.Stage, Top },
        };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var search = SearchRun.Open(parsed.GetRequiredValue(SearchCommand.Folder));
        var stage = parsed.GetValue(SearchCommand.Stage);
        if (stage is not null)
            _ = search.CandidateStage(stage);
        var ranking = NetworkRanking.Of(search.Context, stage);
        var shown = ranking.Take(parsed.GetValue(Top)).ToArray();
        var stages = search
            .Store.Read()
            .GroupBy(one => one.Stage)
            .Select(group => new StageCount(
                group.Key,
                group.Max(one => one.Generation) + 1,
                Count(group, CandidateState.Scored),
                Count(group, CandidateState.Waiting),
                Count(group, CandidateState.Leased),
                Count(group, CandidateState.Failed)
            ))
            .ToArray();
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Search = search.Folder,
                    Stages = stages,
                    Ties = ranking.Count(one => one.TiesWithBest),
                    Networks = NetworkTable.ToJson(shown),
                }
            );
            return;
        }
        foreach (var one in stages)
            terminal.Note(
                $"{one.Stage}: {IndexCommand.Count(one.Generations, "generation", "generations")}, {Text(one.Scored)} scored, "
                    + $"{Text(one.Waiting)} waiting, {Text(one.Leased)} at work, {Text(one.Failed)} failed"
            );
        if (shown.Length == 0)
        {
            terminal.Note("no network of the stage that decides has a score yet");
            return;
        }
        NetworkTable.Of(shown).Show(terminal);
        if (ranking.Count(one => one.TiesWithBest) is > 0 and var ties)
            terminal.Note(
                $"tie: within two standard errors of the difference from the best: {IndexCommand.Count(ties, "network", "networks")} in all"
            );
    }

    private sealed record StageCount(string Stage, int Generations, int Scored, int Waiting, int Leased, int Failed);

    private static int Count(IEnumerable<Candidate> candidates, CandidateState state) => candidates.Count(one => one.State == state);

    private static string Text(int count) => count.ToString("N0", CultureInfo.InvariantCulture);
}
