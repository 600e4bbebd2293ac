using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Search;
using Tessera.Search.Judging;
using Tessera.Search.Results;
using Tessera.Search.Running;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search judge</c>: whether a search found something that chance does not.</summary>
internal static class SearchJudgeCommand
{
    private static readonly Option<int> Random = new("--random")
    {
        Description = "Networks that chance draws from the space, within the budget.",
        HelpName = "networks",
        DefaultValueFactory = _ => 10,
    };

    private static readonly Option<int> Seeds = new("--seeds")
    {
        Description = "Trainings of each network.",
        HelpName = "number",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<string[]> HandMade = new("--hand-made")
    {
        Description = "Model, or genome of the space, to compare with; can be repeated.",
        HelpName = "network",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<int?> Epochs = new("--epochs")
    {
        Description = "Epochs of each training; by default those of the recipe's retrain.",
        HelpName = "number",
    };

    private static readonly Option<bool> Resume = new("--resume") { Description = "Go on with a judgement that was stopped." };

    internal static Command Create()
    {
        IndexCommand.AtLeast(Random, 2);
        IndexCommand.AtLeast(Seeds, 1);
        IndexCommand.AtLeast(Epochs, 1);
        var command = new ExampleCommand(
            "judge",
            "Train the winner of a search, random networks and networks made by hand alike, and say whether the search beat chance."
        )
        {
            Examples =
            [
                ("tessera search judge runs/mine", "compare with ten random networks of the budget"),
                ("tessera search judge runs/mine --hand-made vit_micro_patch4_32 --seeds 3", "train each three times, also a model"),
                ("tessera search judge runs/mine --resume", "go on after Ctrl-C, with the same options"),
            ],
            Arguments = { SearchCommand.Folder },
            Options = { Random, Seeds, HandMade, Epochs, Resume },
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var folder = parsed.GetRequiredValue(SearchCommand.Folder);
        using var search = SearchRun.Open(folder);
        var winner = NetworkRanking.At(search.Context, 1).Genome;
        var context = search.Context;
        if (parsed.GetValue(Epochs) is { } epochs)
            context = new(
                SearchRecipe.Load(new SearchFolder(folder).RecipePath, FormattableString.Invariant($"retrain.schedule.epochs={epochs}")),
                search.Folder,
                search.Store
            );
        Torch.Threads = ThreadLimit.Here.Count;
        var judge = new Judge(
            context,
            new(parsed.GetValue(Random), parsed.GetValue(Seeds), parsed.GetValue(HandMade)),
            search.Recipe.Search.RankedStage is null ? null : genome => Rescoring.Of(search, genome, stop: interruption.Token).Score.Value
        );
        if (judge.HasBegun != parsed.GetValue(Resume))
            throw new UserException(
                judge.HasBegun
                    ? $"{judge.Folder} holds a judgement already: go on with --resume and the same options"
                    : $"{judge.Folder} holds no judgement to go on with: leave --resume out"
            );
        var judgement = Shown(terminal, told => judge.Run(winner, told, interruption.Token));
        Show(terminal, judge, judgement);
        return ExitCode.Success;
    }

    private static Judgement Shown(Terminal terminal, Func<Action<JudgeProgress>, Judgement> work)
    {
        if (!terminal.IsDrawn)
            return work(told =>
            {
                if (told.Training is null)
                    terminal.Note(Text(told));
            });
        Judgement? judgement = null;
        terminal.Drawing.Status().Start("judging ...", status => judgement = work(told => status.Status = Markup.Escape(Text(told))));
        return judgement!;

        static string Text(JudgeProgress told) =>
            $"training {told.Number} of {told.All}: {told.Network}"
            + (told.Training is StepDone step ? $", epoch {step.Epoch + 1}" : "")
            + (told.Left is { } left ? $", about {Figures.Time(left)} left" : "");
    }

    private static void Show(Terminal terminal, Judge judge, Judgement judgement)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(JsonNode.Parse(File.ReadAllBytes(judge.ResultPath))!);
            return;
        }
        if (terminal.Quiet)
        {
            Terminal.Result(judgement.Verdict);
            return;
        }
        var rows = JudgePage.Table(judgement);
        var table = new TextTable([.. rows.Columns.Select(column => new Column(column.Title, column.Numeric))]);
        foreach (var row in rows.Rows)
            table.Add([.. row]);
        table.Show(terminal);
        FactList.Show(JudgePage.Facts(judgement), terminal);
        terminal.Note(judgement.Verdict);
        terminal.Note($"report  {TrainCommand.Shown(judge.ReportPath)}");
    }
}
