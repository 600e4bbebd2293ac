using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Training;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera predict</c>: classifies image files, their pixels, or texts with a trained model.</summary>
internal static class PredictCommand
{
    private const int BarWidth = 20;

    private static readonly Argument<string[]> Files = new("files")
    {
        HelpName = "file|text",
        Description = "Image files (JPEG, PNG, WebP, GIF, TIFF or BMP); for a text model, texts or files with one text per line.",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<int> Top = new("--top")
    {
        Description = "Number of classes to show.",
        HelpName = "classes",
        DefaultValueFactory = _ => 5,
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description =
            "Folder for pictures of the answers, of models that give a class for each pixel: NAME.png holds the number of the class of "
            + "each pixel, NAME_overlay.png the image under the colours of its classes.",
        HelpName = "folder",
    };

    private static readonly Option<bool> Eager = CompiledInference.EagerOption();

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "predict",
            "Show the most likely classes of image files or texts, or the class of each pixel of images."
        )
        {
            Examples =
            [
                ("tessera predict runs/mine shirt.png boot.jpg", "show the five likeliest classes of each image"),
                ("tessera predict runs/mine *.png --quiet", "print file, class and probability, one line each"),
                ("tessera predict runs/mine *.png --top 1 --json", "print JSON for a program"),
                ("tessera predict runs/mine *.png --best --ema", "use the averaged weights of the best checkpoint"),
                ("tessera predict deit_tiny_patch16_224 cat.jpg --checkpoint deit_tiny.pth", "use published weights"),
                ("tessera predict runs/streets *.jpg --out maps", "write the class of each pixel and overlays as pictures"),
                ("tessera predict runs/questions \"Who wrote Hamlet?\" more.txt", "classify a text and the lines of a file"),
            ],
            Arguments = { Files },
            Options = { Top, Out, Eager },
        };
        ModelSource.AddTo(command);
        Top.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
                result.AddError("--top must be at least 1");
        });
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var bundle = ModelSource.Open(parsed);
            ModelLoading.ShowNotes(bundle.Notes, terminal);
            var given = parsed.GetRequiredValue(Files);
            var suffixes = bundle.Task.PictureSuffixes;
            var pictures = parsed.GetValue(Out) is { } folder ? PictureFolder.For(folder, given, bundle.Task) : null;
            Torch.Threads = ThreadLimit.Here.Count;
            // Tracing costs a prediction of its own: it pays from the second file on.
            using var compiled =
                parsed.GetValue(Eager) || given.Length < 2 ? null : CompiledInference.Of(bundle.Model, Precision.Fp32, terminal);
            List<Answer> answers = [];
            var code = ExitCode.Success;
            foreach (var sample in bundle.Read(given))
            {
                try
                {
                    var prediction = bundle.Predict(sample, parsed.GetValue(Top), compiled is null ? null : compiled.Call);
                    var files = pictures?.Write(sample.Name, bundle.Draw(prediction, sample)) ?? [];
                    answers.Add(new(prediction.Sample, prediction.Measure, prediction.Classes, prediction.Remarks, files));
                }
                catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
                {
                    // A bad file must not stop the others.
                    Errors.Report(error, Console.Error);
                    code = ExitCode.UserError;
                }
            }
            Show(answers, terminal);
            if (pictures is null && suffixes.Count > 0)
                terminal.Note(
                    $"--out FOLDER writes the answers as pictures: {string.Join(" and ", suffixes.Select(suffix => $"NAME{suffix}"))}"
                );
            return code;
        });
        return command;
    }

    // What is kept of a prediction: the map of a large image is large too.
    private sealed record Answer(
        string Sample,
        string Measure,
        IReadOnlyList<ScoredClass> Classes,
        IReadOnlyList<string> Remarks,
        IReadOnlyList<string> Files
    );

    private static JsonObject ToJson(Answer one)
    {
        var result = new JsonObject { ["file"] = one.Sample };
        result["choices"] = new JsonArray([
            .. one.Classes.Select(choice => new JsonObject
            {
                ["class"] = choice.Class,
                ["label"] = choice.Label,
                [one.Measure] = choice.Probability,
                ["chosen"] = choice.Chosen,
            }),
        ]);
        if (one.Files.Count > 0)
            result["pictures"] = Terminal.ToJson(one.Files);
        if (one.Remarks.Count > 0)
            result["remarks"] = Terminal.ToJson(one.Remarks);
        return result;
    }

    private static void Show(IReadOnlyList<Answer> predictions, Terminal terminal)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(predictions.Select(ToJson));
            return;
        }
        if (terminal.Quiet)
        {
            foreach (var one in predictions)
            foreach (var chosen in one.Classes.Where(c => c.Chosen))
                terminal.Row([
                    Printable.Of(one.Sample),
                    Printable.Of(chosen.Class),
                    chosen.Probability.ToString("0.0000", CultureInfo.InvariantCulture),
                ]);
            return;
        }
        if (predictions.Count == 0)
            return;
        // Where an answer may hold several classes or none, each class says whether it is part of it.
        var several = predictions.Any(one => one.Classes.Count(c => c.Chosen) != 1 && one.Classes.Any(c => !c.Chosen));
        Column[] columns =
        [
            new("file"),
            new("class"),
            new(predictions[0].Measure, true),
            .. several ? [new Column("in the answer")] : Array.Empty<Column>(),
            .. terminal.IsDrawn ? [new Column("")] : Array.Empty<Column>(),
        ];
        var table = new TextTable(columns);
        foreach (var one in predictions)
        foreach (var (rank, choice) in one.Classes.Index())
            table.Add([
                // A pipe's reader wants the file on every line, a person's eye on the first.
                terminal.IsDrawn
                && rank > 0
                    ? ""
                    : one.Sample,
                choice.Class,
                Figures.Percent(choice.Probability),
                .. several ? [choice.Chosen ? "yes" : "no"] : Array.Empty<string>(),
                .. terminal.IsDrawn ? [new string('█', (int)Math.Round(choice.Probability * BarWidth))] : Array.Empty<string>(),
            ]);
        table.Show(terminal);
        foreach (var remark in predictions.SelectMany(one => one.Remarks))
            terminal.Note(remark);
        if (predictions.Sum(one => one.Files.Count) is > 0 and var count)
            terminal.Note($"{count} pictures in {Path.GetDirectoryName(predictions.SelectMany(one => one.Files).First())}");
    }
}
