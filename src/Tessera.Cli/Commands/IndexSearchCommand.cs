using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Search;
using Tessera.Cli.Shell;
using Tessera.Retrieval;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera index search</c>: finds the pictures of an index that are most like given ones.</summary>
internal static class IndexSearchCommand
{
    private static readonly Argument<string[]> Queries = new("pictures")
    {
        HelpName = "file|folder",
        Description = "Pictures that others are to be like: files, or folders of them.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<int> K = new("-k")
    {
        Description = "Pictures that are found for each.",
        HelpName = "pictures",
        DefaultValueFactory = _ => 10,
    };
    private static readonly Option<bool> Others = new("--others")
    {
        Description = "Leave out the given picture itself where the index has it.",
    };
    private static readonly Option<bool> Approximate = new("--approximate")
    {
        Description = "Search the graph of the index: much faster among very many pictures, and now and then a neighbour is missed.",
    };
    private static readonly Option<int?> Effort = new("--effort")
    {
        Description = "With --approximate: candidates that are kept while the graph is searched; more find more and take longer.",
        HelpName = "candidates",
    };
    private static readonly Option<string?> Page = new("--page")
    {
        Description = "Also write an HTML page with the pictures and with what the model finds alike in them.",
        HelpName = "file",
    };
    private static readonly Option<int> Explained = new("--explain")
    {
        Description = "With --page: matches of each picture that are explained, the nearest first.",
        HelpName = "pictures",
        DefaultValueFactory = _ => 3,
    };

    internal static Command Create()
    {
        foreach (var (option, least) in ((Option, int)[])[(K, 1), (Effort, 1), (Explained, 0)])
            IndexCommand.AtLeast(option, least);
        var command = new ExampleCommand("search", "Find the pictures of an index that are most like given ones.")
        {
            Examples =
            [
                ("tessera index search photos.index cat.jpg", "find the ten pictures that are most like one"),
                ("tessera index search photos.index cat.jpg -k 5 --page found.html", "also write a page that shows and explains them"),
                ("tessera index search photos.index cat.jpg --where \"place=Rome and year>=2000\"", "search among some of the pictures"),
                ("tessera index search photos.index photos/cat.jpg --others", "leave out the picture itself"),
                ("tessera index search photos.index cat.jpg --quiet", "print picture, found picture and similarity, one line each"),
            ],
            Arguments = { IndexCommand.Index, Queries },
            Options = { K, IndexCommand.Where, Others, Approximate, Effort, Page, Explained, IndexCommand.Model, IndexCommand.Batch },
        };
        ModelSource.AddOptionsTo(command);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var (path, k, others) = (parsed.GetRequiredValue(IndexCommand.Index), parsed.GetRequiredValue(K), parsed.GetValue(Others));
        if (parsed.GetValue(Effort) is not null && !parsed.GetValue(Approximate))
            throw new UserException("--effort needs --approximate: exact search has no candidates");
        var options = new SearchOptions
        {
            Approximate = parsed.GetValue(Approximate),
            Where = IndexCommand.Filter(parsed),
            Effort = parsed.GetValue(Effort) ?? 0,
        };
        var queries = PictureList.Of(parsed.GetRequiredValue(Queries), interruption.Token);
        using var index = VectorIndex.Open(path);
        if (options.Approximate && !index.HasApproximate)
            throw new UserException($"{path} has no graph: tessera index add {path} PICTURES --approximate builds it");
        Torch.Threads = ThreadLimit.Here.Count;
        var model = IndexCommand.OpenModel(parsed, index.Header, terminal);
        foreach (var remark in queries.Remarks)
            terminal.Note(remark);
        List<SearchAnswer> answers = [];
        var unreadable = IndexCommand.Shown(terminal, "searched", view => model.Describe(
                queries.Files,
                index.Header.Projection,
                parsed.GetRequiredValue(IndexCommand.Batch),
                (pictures, failed) =>
                {
                    var found = index.Search(pictures.Vectors, others ? k + 1 : k, options);
                    foreach (var (place, neighbors) in pictures.Places.Zip(found))
                        answers.Add(new(queries.Files[place], Without(neighbors, others ? queries.Files[place] : null, k)));
                    if (queries.Files.Count > 1)
                        view.Report(new(answers.Count + failed, queries.Files.Count, failed));
                },
                interruption.Token
            ));
        foreach (var image in unreadable)
            Errors.WriteLine(Console.Error, $"{image.Name}: {image.Problem}");
        Show(terminal, answers);
        // The result comes first: a file that cannot be written must not take it along.
        if (parsed.GetValue(Page) is { } page && answers.Count > 0)
        {
            var html = AnswerPage.Render(
                path,
                index,
                model,
                options,
                parsed.GetValue(IndexCommand.Where),
                answers,
                parsed.GetRequiredValue(Explained),
                interruption.Token
            );
            AtomicFile.Write(page, Encoding.UTF8.GetBytes(html));
            terminal.Note($"page  {page}");
        }
        return unreadable.Count > 0 ? ExitCode.UserError : ExitCode.Success;
    }

    private static IReadOnlyList<Neighbor> Without(IReadOnlyList<Neighbor> found, string? own, int k) =>
        [.. found.Where(one => one.Item.Name != own).Take(k)];

    private static void Show(Terminal terminal, IReadOnlyList<SearchAnswer> answers)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(answers.Select(ToJson));
            return;
        }
        if (terminal.Quiet)
        {
            foreach (var (query, found) in answers)
            foreach (var one in found)
                Terminal.Result($"{query}\t{one.Item.Name}\t{Similarity(one)}");
            return;
        }
        foreach (var (query, found) in answers)
        {
            terminal.Heading(query);
            var table = new TextTable(new("", true), new("similarity", true), new("id", true), new("picture"));
            foreach (var (rank, one) in found.Index())
                table.Add($"{rank + 1}", Similarity(one), $"{one.Item.Id}", one.Item.Name);
            table.Show(terminal);
            if (found.Count == 0)
                terminal.Note("nothing was found");
        }
    }

    private static JsonObject ToJson(SearchAnswer answer) =>
        new()
        {
            ["file"] = answer.Query,
            ["found"] = new JsonArray([
                .. answer.Found.Select(one =>
                {
                    var json = IndexCommand.ToJson(one.Item);
                    json.Insert(0, "similarity", one.Similarity);
                    return json;
                }),
            ]),
        };

    private static string Similarity(Neighbor one) => one.Similarity.ToString("0.0000", CultureInfo.InvariantCulture);
}
