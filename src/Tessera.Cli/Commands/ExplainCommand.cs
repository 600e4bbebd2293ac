using System.CommandLine;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Explain;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera explain</c>: where a model looks, as pictures and as one page.</summary>
internal static class ExplainCommand
{
    private const string PageName = "explain.html";

    private static readonly Argument<string[]> Files = new("images")
    {
        Description = "Image files: JPEG, PNG, WebP, GIF, TIFF or BMP.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "Folder for the pictures and the page.",
        HelpName = "folder",
        DefaultValueFactory = _ => "explain",
    };
    private static readonly Option<string?> Class = new("--class")
    {
        Description = "Class for Grad-CAM, by name or number from 0; by default the likeliest class of each image.",
        HelpName = "class",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "explain",
            "Show where a model looks: attention roll-out, Grad-CAM and model-specific pictures such as windows, kept tokens and sampling "
                + "points, as PNG files and one HTML page."
        )
        {
            Examples =
            [
                ("tessera explain runs/mine shirt.png boot.jpg", "write pictures and explain/explain.html"),
                ("tessera explain runs/mine shirt.png --class Coat --out coat", "show the places that speak for a coat"),
                ("tessera explain deit_tiny_patch16_224 cat.jpg --checkpoint deit_tiny.pth", "explain published weights"),
                ("tessera explain runs/mine *.png --quiet", "print only the path of the page"),
            ],
            Arguments = { Files },
            Options = { Out, Class },
        };
        ModelSource.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private sealed record Explained(string File, string Class, IReadOnlyList<Choice> Choices, IReadOnlyList<string> Pictures);

    private sealed record Choice(string Class, double Probability);

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        var bundle = ModelSource.Open(parsed);
        ModelLoading.ShowNotes(bundle.Notes, terminal);
        int? label = parsed.GetValue(Class) is { } wanted ? bundle.LabelOf(wanted) : null;
        Torch.Threads = ThreadLimit.Here.Count;
        var folder = parsed.GetRequiredValue(Out);
        List<Explanation> explanations = [];
        List<Explained> results = [];
        var code = ExitCode.Success;
        foreach (var sample in bundle.Read(parsed.GetRequiredValue(Files)))
        {
            try
            {
                var explanation = bundle.Explain(sample, label);
                explanations.Add(explanation);
                results.Add(
                    new(
                        sample.Name,
                        explanation.Explained,
                        [.. explanation.Choices.Select(c => new Choice(c.Class, c.Probability))],
                        Write(explanation, folder, explanations.Count)
                    )
                );
            }
            catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
            {
                // A bad file must not stop the others.
                Errors.Report(error, Console.Error);
                code = ExitCode.UserError;
            }
        }
        var page = Path.Combine(folder, PageName);
        if (explanations.Count > 0)
            AtomicFile.Write(page, System.Text.Encoding.UTF8.GetBytes(ExplainPage.Render(bundle.Content.Model.Title, explanations)));
        Show(terminal, results, page);
        return code;
    }

    private static string[] Write(Explanation explanation, string folder, int number)
    {
        var stem = $"{number:00}-{Path.GetFileNameWithoutExtension(explanation.Source)}";
        return
        [
            .. explanation.Pictures.Select(picture =>
            {
                // "class token, block 3" becomes class-token-block-3.
                var name = string.Join('-', picture.Name.ToLowerInvariant().Split([' ', ','], StringSplitOptions.RemoveEmptyEntries));
                var path = Path.Combine(folder, $"{stem}-{name}.png");
                AtomicFile.Write(path, picture.Png);
                return path;
            }),
        ];
    }

    private static void Show(Terminal terminal, IReadOnlyList<Explained> results, string page)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(new { Page = results.Count > 0 ? page : null, Images = results });
            return;
        }
        if (results.Count == 0)
            return;
        if (terminal.Quiet)
        {
            Terminal.Result(page);
            return;
        }
        var table = new TextTable(new("file"), new("class"), new("probability", true), new("explained"), new("pictures", true));
        foreach (var one in results)
            table.Add(one.File, one.Choices[0].Class, Figures.Percent(one.Choices[0].Probability), one.Class, $"{one.Pictures.Count}");
        table.Show(terminal);
        terminal.Note($"page  {page}");
    }
}
