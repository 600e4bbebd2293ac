using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Search;
using Tessera.Cli.Shell;
using Tessera.Retrieval;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera index eval</c>: measures whether pictures find others of their class.</summary>
internal static class IndexEvalCommand
{
    private static readonly Option<string> Label = new("--label")
    {
        Description = "Field whose value is the class of a picture; by default the folder that it lies in.",
        HelpName = "field",
        DefaultValueFactory = _ => PictureFields.Folder,
    };
    private static readonly Option<string[]> Ks = new("-k")
    {
        Description = "Numbers of nearest pictures of which one must be right, several with commas; 1,2,4,8 by default.",
        HelpName = "numbers",
        CustomParser = result => [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries))],
        DefaultValueFactory = _ => ["1", "2", "4", "8"],
    };
    private static readonly Option<string?> Queries = new("--queries")
    {
        Description = "Folder of pictures to search with, in folders of their classes; by default each picture searches all others.",
        HelpName = "folder",
    };
    private static readonly Option<bool> Approximate = new("--approximate")
    {
        Description = "Also compare the search of the graph with the exact one, in what is found and in time.",
    };

    internal static Command Create()
    {
        Ks.Validators.Add(result =>
        {
            var given = result.GetValueOrDefault<string[]>() ?? [];
            if (given.Length == 0 || given.FirstOrDefault(text => Number(text) is not >= 1) is not null)
                result.AddError(
                    $"-k must be whole numbers of at least 1 with commas between them, as in 1,10, not '{string.Join(',', given)}'"
                );
        });
        var command = new ExampleCommand("eval", "Measure an index: does a picture find others of its class?")
        {
            Examples =
            [
                ("tessera index eval photos.index", "each picture searches all others; its class is its folder"),
                ("tessera index eval photos.index --label place -k 1,10,100", "the class is a field of the pictures"),
                ("tessera index eval photos.index --queries new", "search with other pictures"),
                ("tessera index eval photos.index --approximate", "also compare the graph with exact search"),
                ("tessera index eval photos.index --json | jq .recall_at_1", "print a figure as a fraction"),
            ],
            Arguments = { IndexCommand.Index },
            Options = { Label, Ks, Queries, IndexCommand.Where, Approximate, IndexCommand.Model, IndexCommand.Batch },
        };
        ModelSource.AddOptionsTo(command);
        command.SetAction(Run);
        return command;
    }

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static void Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var path = parsed.GetRequiredValue(IndexCommand.Index);
        var queries = parsed.GetValue(Queries) is { } folder ? PictureList.Of([folder], interruption.Token) : null;
        using var index = VectorIndex.Open(path);
        if (parsed.GetValue(Approximate) && !index.HasApproximate)
            throw new UserException($"{path} has no graph: tessera index add {path} PICTURES --approximate builds it");
        Torch.Threads = ThreadLimit.Here.Count;
        using var scope = new Scope();
        var set = EvaluatedSet.OfItems(index, path, parsed.GetRequiredValue(Label), IndexCommand.Filter(parsed));
        if (queries is not null)
        {
            var model = IndexCommand.OpenModel(parsed, index.Header, terminal);
            var label = parsed.GetRequiredValue(Label);
            if (label != PictureFields.Folder)
                throw new UserException($"--queries are in folders of their classes: --label must be left out, not '{label}'");
            set = IndexCommand.Shown(terminal, "described", view =>
                set.With(
                    queries.Files,
                    model,
                    index.Header.Projection,
                    parsed.GetRequiredValue(IndexCommand.Batch),
                    view,
                    interruption.Token
                )
            );
        }
        foreach (var remark in (string[])[.. queries?.Remarks ?? [], .. set.Remarks])
            terminal.Note(remark);
        var metrics = set.Measure([.. parsed.GetRequiredValue(Ks).Select(text => Number(text)!.Value)]);
        var comparison = parsed.GetValue(Approximate) ? SearchComparison.Of(index, set.Vectors) : null;
        if (terminal.Json)
        {
            var json = new JsonObject();
            foreach (var (figure, value) in metrics.Scalars)
                json[figure] = value;
            json["index"] = path;
            json["classes"] = set.Classes.Count;
            json["remarks"] = Terminal.ToJson(set.Remarks);
            json["evaluation"] = Terminal.ToJson(metrics.ToJson(set.Classes));
            if (comparison is not null)
                json["approximate"] = Terminal.ToJson(comparison);
            Terminal.WriteJson(json);
            return;
        }
        var table = MetricsTable.Create(path);
        MetricsTable.AddTo(table, metrics, "pictures");
        table.Add("classes", $"{set.Classes.Count:N0}");
        if (comparison is not null)
        {
            table.Add($"recall@{comparison.Neighbors} of the graph", Figures.Percent(comparison.Recall));
            table.Add("exact search, alone", Milliseconds(comparison.ExactSeconds));
            table.Add("search of the graph, alone", Milliseconds(comparison.GraphSeconds));
        }
        table.Show(terminal);
    }

    private static string Milliseconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{1000 * seconds:0.00} ms");
}
