using System.CommandLine;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Search;
using Tessera.Search.Running;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search</c>: searches for a network.</summary>
internal static class SearchCommand
{
    private const int Shown = 10;

    /// <summary>The folder of a search, for its subcommands.</summary>
    internal static readonly Argument<string> Folder = new("folder") { HelpName = "folder", Description = "Folder of the search." };

    /// <summary>A stage, for its subcommands.</summary>
    internal static readonly Option<string?> Stage = new("--stage")
    {
        Description = "Stage of candidates; by default the one that decides.",
        HelpName = "name",
    };

    private static readonly Argument<string?> Recipe = new("recipe")
    {
        HelpName = "recipe",
        Description = "Recipe file of a search.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "Set a field of the recipe; can be repeated.",
        HelpName = "field=value",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Folder for the search; runs/<recipe>-<date>-<time> by default.",
        HelpName = "folder",
    };

    private static readonly Option<string?> Resume = new("--resume")
    {
        Description = "Go on with the search in this folder.",
        HelpName = "folder",
    };

    private static readonly Option<int?> Workers = new("--workers")
    {
        Description = "Processes that score candidates at once; their number does not change the outcome.",
        HelpName = "processes",
    };

    private static readonly Option<bool> NoRetrain = new("--no-retrain")
    {
        Description = "End when the winner is known, without training it from scratch.",
    };

    internal static Command Create()
    {
        IndexCommand.AtLeast(Workers, 1);
        var command = new ExampleCommand(
            "search",
            "Search for a network with a recipe: supernet, candidates, training of the winner. Ctrl-C ends in good order; --resume goes on."
        )
        {
            Examples =
            [
                ("tessera search my.yaml --out runs/mine", "search, then train the winner from scratch"),
                ("tessera search my.yaml --workers 4", "score four candidates at once"),
                ("tessera search --resume runs/mine", "go on after Ctrl-C, or after the process was killed"),
                ("tessera search show runs/mine", "list the best networks so far, also while it runs"),
                ("tessera search measure my.yaml --out table.json", "measure blocks, by which a budget can limit latency"),
                ("tessera search judge runs/mine", "train random networks like the winner, and compare"),
                ("tessera search export runs/mine --rank 1", "write the winner as a bundle, with the recipe that trains it"),
            ],
            Arguments = { Recipe },
            Options = { Set, Out, Resume, Workers, NoRetrain },
            Subcommands =
            {
                SearchShowCommand.Create(),
                SearchExportCommand.Create(),
                SearchScoreCommand.Create(),
                SearchMeasureCommand.Create(),
                SearchJudgeCommand.Create(),
                SearchWorkCommand.Create(),
            },
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var search = Open(parsed);
        var view = SearchView.For(terminal);
        using var interruption = new Interruption(view.AnnounceStop);
        if (!terminal.Quiet)
        {
            terminal.Heading($"Search on {search.Recipe.Data.Name}");
            terminal.Note($"folder {TrainCommand.Shown(search.Folder)}");
            terminal.Note("");
        }
        var options = new SearchRunOptions(parsed.GetValue(Workers), !parsed.GetValue(NoRetrain), (stage, worker) =>
            LaunchedProcesses.DescribeWorker(["search", "work", search.Folder, stage, "--worker", worker])
        );
        var outcome = view.Run(() => search.Run(options, view.Handle, interruption.Token));
        Show(search, outcome, terminal);
        return outcome.Completed ? ExitCode.Success : ExitCode.Interrupted;
    }

    private static SearchRun Open(ParseResult parsed)
    {
        var (recipe, settings, folder) = (parsed.GetValue(Recipe), parsed.GetValue(Set)!, parsed.GetValue(Out));
        if (parsed.GetValue(Resume) is { } resumed)
            return recipe is null && settings.Length == 0 && folder is null
                ? SearchRun.Open(resumed)
                : throw new UserException("--resume cannot be combined with a recipe, --set or --out: it continues the search unchanged");
        if (recipe is null)
            throw new UserException("a recipe of a search must be given, or --resume FOLDER; see tessera search --help");
        var path = RecipeFinder.Find(recipe);
        var head = $"# tessera search {recipe} {string.Join(' ', settings.Select(setting => $"--set {setting}"))}".ReplaceLineEndings(" ");
        return SearchRun.Begin(SearchRecipe.Load(path, settings), folder ?? TrainCommand.NewFolder(path), $"{head.TrimEnd()}\n");
    }

    private static void Show(SearchRun search, SearchOutcome outcome, Terminal terminal)
    {
        var place = TrainCommand.Shown(search.Folder);
        var files = new SearchFolder(search.Folder);
        if (terminal.Json)
            Terminal.WriteJson(
                new
                {
                    outcome.Completed,
                    Search = search.Folder,
                    Report = File.Exists(files.ReportPath) ? files.ReportPath : null,
                    Networks = NetworkTable.ToJson(outcome.Ranking.Take(Shown)),
                    outcome.Retrained,
                }
            );
        else if (terminal.Quiet)
            Terminal.Result(place);
        else if (!outcome.Completed)
            terminal.Note($"Stopped. Go on with: tessera search --resume {place}");
        else
        {
            NetworkTable.Of([.. outcome.Ranking.Take(Shown)]).Show(terminal);
            foreach (var run in outcome.Retrained)
                terminal.Note(
                    FormattableString.Invariant(
                        $"{run.Name}  {run.Primary} {run.Score:0.0000}, trained from scratch in {TrainCommand.Shown(run.Folder)}"
                    )
                );
            terminal.Note($"search  {place}");
            terminal.Note($"report  {TrainCommand.Shown(files.ReportPath)}");
        }
    }
}
