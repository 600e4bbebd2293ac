using System.CommandLine;
using Tessera.Cli.Shell;
using Tessera.Search.Results;
using Tessera.Search.Running;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search export</c>: a found network as a model.</summary>
internal static class SearchExportCommand
{
    private static readonly Option<int> Rank = new("--rank")
    {
        Description = "Rank of the network, as tessera search show lists it.",
        HelpName = "number",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Folder for it; rank-NUMBER in the search's folder by default.",
        HelpName = "folder",
    };

    internal static Command Create()
    {
        IndexCommand.AtLeast(Rank, 1);
        var command = new ExampleCommand("export", "Write a found network as a bundle, with the recipe that trains it from scratch.")
        {
            Examples =
            [
                ("tessera search export runs/mine --rank 1", "write the best network so far into runs/mine/rank-1"),
                ("tessera train runs/mine/rank-1/recipe.yaml", "train it from scratch"),
            ],
            Arguments = { SearchCommand.Folder },
            Options = { Rank, Out },
        };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var search = SearchRun.Open(parsed.GetRequiredValue(SearchCommand.Folder));
        var rank = parsed.GetValue(Rank);
        var network = NetworkRanking.At(search.Context, rank);
        var folder = parsed.GetValue(Out) ?? Path.Combine(search.Folder, FormattableString.Invariant($"rank-{rank}"));
        var export = SearchExport.Write(search.Context, network.Genome, folder);
        if (terminal.Json)
            Terminal.WriteJson(
                new
                {
                    network.Rank,
                    network.Genome,
                    network.Candidate?.Score,
                    Bundle = export.BundlePath,
                    Recipe = export.RecipePath,
                    Weights = export.HasWeights ? "inherited" : "none",
                }
            );
        else if (terminal.Quiet)
            Terminal.Result(TrainCommand.Shown(folder));
        else
        {
            terminal.Note(
                export.HasWeights
                    ? $"bundle  {TrainCommand.Shown(export.BundlePath)}, with the weights that the search has trained"
                    : $"bundle  {TrainCommand.Shown(export.BundlePath)}, without weights: the search has none for a single network"
            );
            terminal.Note($"recipe  {TrainCommand.Shown(export.RecipePath)}: tessera train trains the network from scratch by it");
        }
    }
}
