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

    private static readonly Argument<string> Subject = new("run|model")
    {
        HelpName = "run|model",
        Description = "Run folder, or model name (with --checkpoint).",
        CompletionSources = { _ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)) },
    };

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
    private static readonly Option<string?> CheckpointFile = new("--checkpoint")
    {
        Description = "Weight file of a model (safetensors or PyTorch), index of several, or folder of the Hugging Face hub.",
        HelpName = "file",
    };
    private static readonly Option<string?> Key = ModelLoading.KeyOption();
    private static readonly Option<string?> Prefix = ModelLoading.PrefixOption();
    private static readonly Option<string?> Classes = ModelLoading.ClassesOption();
    private static readonly Option<bool> Best = new("--best") { Description = "Use the best checkpoint of the run instead of the newest." };
    private static readonly Option<bool> Averaged = new("--ema")
    {
        Description = "Use the moving average of the weights of the run or file.",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();

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
            Arguments = { Subject, Files },
            Options = { Out, Class, CheckpointFile, Key, Prefix, Classes, Best, Averaged, DeviceName },
        };
        command.SetAction(Run);
        return command;
    }

    private sealed record Explained(string File, string Class, IReadOnlyList<Choice> Choices, IReadOnlyList<string> Pictures);

    private sealed record Choice(string Class, double Probability);

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        var bundle = Open(parsed);
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
            AtomicFile.Write(page, System.Text.Encoding.UTF8.GetBytes(ExplainPage.Render(bundle.Content.Model, explanations)));
        Show(terminal, results, page);
        return code;
    }

    private static ModelBundle Open(ParseResult parsed)
    {
        var name = parsed.GetRequiredValue(Subject);
        var device = Device.Parse(parsed.GetRequiredValue(DeviceName));
        var averaged = parsed.GetValue(Averaged);
        var file = ModelLoading.Weights(parsed.GetValue(CheckpointFile), parsed.GetValue(Key), parsed.GetValue(Prefix), averaged);
        if (Directory.Exists(name))
        {
            if (parsed.GetValue(Classes) is not null)
                throw new UserException("--classes cannot be combined with a run, which knows its classes");
            var bundle = ModelBundle.Load(name, device, parsed.GetValue(Best), averaged && file is null);
            return file is null ? bundle : bundle.WithWeights(file);
        }
        var variant = ModelLoading.Find(name);
        if (file is null)
            throw new UserException($"--checkpoint is required: model {name} has no weights of its own");
        if (parsed.GetValue(Best))
            throw new UserException("--best needs a run folder; a model has only the weights of --checkpoint");
        var (count, names) = ModelLoading.ClassesOf(parsed.GetValue(Classes));
        return ModelBundle.FromWeights(variant, file, names ?? ModelLoading.Numbered(count), device: device);
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
