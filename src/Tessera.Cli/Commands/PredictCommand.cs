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
        Description =
            "Image files (JPEG, PNG, WebP, GIF, TIFF or BMP), folders of images, or videos, whose frames are looked at one after the "
            + "other; for a text model, texts or files with one text per line.",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<int> Top = new("--top")
    {
        Description = "Number of classes to show.",
        HelpName = "classes",
        DefaultValueFactory = _ => 5,
    };

    private static readonly Option<double?> Threshold = new("--threshold")
    {
        Description =
            "Probability or score from which a class or an object belongs to the answer, of models that find several; by default that of "
            + "the run.",
        HelpName = "share",
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description =
            "Folder for pictures of the answers. Of models that give a class for each pixel: NAME.png holds the number of the class of "
            + "each pixel, NAME_overlay.png the image under the colours of its classes. Of models that find objects: NAME_objects.png "
            + "shows them in the image.",
        HelpName = "folder",
    };

    private static readonly Option<string?> Coco = new("--coco")
    {
        Description = "File for all objects that are found, with their masks, in the form of COCO's results.",
        HelpName = "file",
    };

    private static readonly Option<string?> CocoIds = new("--coco-ids")
    {
        Description = "With --coco: an annotation file in COCO's form, whose ids the images get by their file names.",
        HelpName = "file",
    };

    private static readonly Option<int> Every = new("--every")
    {
        Description = "Of videos, look at each frame of such a number.",
        HelpName = "frames",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<bool> Eager = CompiledInference.EagerOption();

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "predict",
            "Show the most likely classes of image files or texts, the class of each pixel of images, or the objects in them."
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
                ("tessera predict runs/cells photos --out found --coco found.json", "find objects in all images of a folder"),
                ("tessera predict runs/cars crossing.mp4 --every 5 --out frames", "find objects in each fifth frame of a video"),
                ("tessera predict runs/questions \"Who wrote Hamlet?\" more.txt", "classify a text and the lines of a file"),
            ],
            Arguments = { Files },
            Options = { Top, Threshold, Out, Coco, CocoIds, Every, Eager },
        };
        ModelSource.AddTo(command);
        foreach (var positive in new[] { Top, Every })
            positive.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < 1)
                    result.AddError($"{positive.Name} must be at least 1");
            });
        Threshold.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is not (null or (>= 0 and <= 1)))
                result.AddError("--threshold must be from 0 to 1");
        });
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        if (parsed.GetValue(CocoIds) is not null && parsed.GetValue(Coco) is null)
            throw new UserException("--coco-ids needs --coco: it numbers the images of that file");
        using var interruption = new Interruption();
        var bundle = ModelSource.Open(parsed);
        ModelLoading.ShowNotes(bundle.Notes, terminal);
        if (parsed.GetValue(Threshold) is { } threshold)
            bundle = bundle.WithThreshold(threshold);
        var given = parsed.GetRequiredValue(Files);
        var files = bundle.Model.TakesImages ? GivenFile.Of(given) : [.. given.Select(text => new GivenFile(text))];
        if (parsed.GetValue(Every) > 1 && !files.Any(file => file.IsVideo))
            throw new UserException("--every is for the frames of videos, and none of the files is one");
        var pictures = parsed.GetValue(Out) is { } folder ? PictureFolder.For(folder, files, bundle.Task) : null;
        using var results = parsed.GetValue(Coco) is { } coco
            ? ResultFile.Begin(coco, bundle, ImageNumbers.Of(files, parsed.GetValue(CocoIds)))
            : null;
        Torch.Threads = ThreadLimit.Here.Count;
        // Tracing costs a prediction of its own: it pays from the second file on.
        using var compiled =
            parsed.GetValue(Eager) || files is [{ IsVideo: false }] ? null : CompiledInference.Of(bundle.Model, Precision.Fp32, terminal);
        List<Answer> answers = [];
        var code = ExitCode.Success;
        // Nobody knows the number of a video's frames, and texts are quick.
        int? count =
            !bundle.Model.TakesImages ? 1
            : files.Any(file => file.IsVideo) ? null
            : files.Count;
        SampleProgress.Show(terminal, count, seen =>
        {
            foreach (var file in files)
            {
                if (interruption.Token.IsCancellationRequested)
                    return;
                try
                {
                    foreach (var asked in Samples(file))
                    {
                        answers.Add(Answered(asked));
                        seen(answers.Count);
                    }
                }
                catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
                {
                    // A bad file must not stop the others.
                    Errors.Report(error, Console.Error);
                    code = ExitCode.UserError;
                }
            }
        });
        Show(answers, terminal, parsed.GetValue(Out));
        if (pictures is null && bundle.Task.PictureSuffixes is { Count: > 0 } suffixes)
            terminal.Note(
                $"--out FOLDER writes the answers as pictures: {string.Join(" and ", suffixes.Select(suffix => $"NAME{suffix}"))}"
            );
        if (pictures?.Remark is { } remark)
            terminal.Note(remark);
        if (interruption.Token.IsCancellationRequested)
            return ExitCode.Interrupted;
        if (results is not null)
        {
            results.Complete();
            terminal.Note($"results in {parsed.GetValue(Coco)}: {string.Join("; ", results.Remarks)}");
        }
        return code;

        IEnumerable<AskedSample> Samples(GivenFile file) =>
            bundle.Model.TakesImages
                ? file.Read(bundle, parsed.GetValue(Every), interruption.Token)
                : bundle.Read([file.Path]).Select(sample => new AskedSample(file, sample));

        Answer Answered(AskedSample asked)
        {
            var prediction = bundle.Predict(asked.Sample, parsed.GetValue(Top), compiled is null ? null : compiled.Call);
            var drawn = pictures?.Write(asked, bundle.Draw(prediction, asked.Sample)) ?? [];
            results?.Write(asked, prediction);
            return new(prediction.Sample, asked.File, asked.Frame, prediction.Measure, prediction.Classes, prediction.Remarks, drawn);
        }
    }

    // What is kept of a prediction: the map of a large image is large too.
    private sealed record Answer(
        string Sample,
        GivenFile File,
        VideoFrame? Frame,
        string Measure,
        IReadOnlyList<ScoredClass> Classes,
        IReadOnlyList<string> Remarks,
        IReadOnlyList<string> Files
    );

    private static JsonObject ToJson(Answer one)
    {
        var result = new JsonObject { ["file"] = one.Frame is null ? one.Sample : one.File.Path };
        if (one.Frame is { } frame)
            (result["frame"], result["seconds"]) = (frame.Number, frame.Seconds);
        result["choices"] = new JsonArray([.. one.Classes.Select(Choice)]);
        if (one.Files.Count > 0)
            result["pictures"] = Terminal.ToJson(one.Files);
        if (one.Remarks.Count > 0)
            result["remarks"] = Terminal.ToJson(one.Remarks);
        return result;

        JsonObject Choice(ScoredClass choice)
        {
            var written = new JsonObject
            {
                ["class"] = choice.Class,
                ["label"] = choice.Label,
                [one.Measure] = choice.Probability,
                ["chosen"] = choice.Chosen,
            };
            if (choice.Box is { } box)
                written["box"] = new JsonObject
                {
                    ["left"] = box.Left,
                    ["top"] = box.Top,
                    ["right"] = box.Right,
                    ["bottom"] = box.Bottom,
                };
            return written;
        }
    }

    // Whole pixels: left and top, right and bottom.
    private static string Place(ScoredClass choice) =>
        choice.Box is { } box
            ? string.Create(CultureInfo.InvariantCulture, $"{box.Left:0}, {box.Top:0} - {box.Right:0}, {box.Bottom:0}")
            : "";

    private static void Show(IReadOnlyList<Answer> predictions, Terminal terminal, string? folder)
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
                    .. chosen.Box is null ? Array.Empty<string>() : [Place(chosen)],
                ]);
            return;
        }
        if (predictions.Count == 0)
            return;
        // Where an answer may hold several classes or none, each class says whether it is part of it.
        var several = predictions.Any(one => one.Classes.Count(c => c.Chosen) != 1 && one.Classes.Any(c => !c.Chosen));
        var placed = predictions.Any(one => one.Classes.Any(c => c.Box is not null));
        Column[] columns =
        [
            new("file"),
            new("class"),
            new(predictions[0].Measure, true),
            .. several ? [new Column("in the answer")] : Array.Empty<Column>(),
            .. placed ? [new Column("box")] : Array.Empty<Column>(),
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
                .. placed ? [Place(choice)] : Array.Empty<string>(),
                .. terminal.IsDrawn ? [new string('█', (int)Math.Round(choice.Probability * BarWidth))] : Array.Empty<string>(),
            ]);
        table.Show(terminal);
        if (predictions.Where(one => one.Classes.Count == 0).Select(one => one.Sample).ToArray() is { Length: > 0 } empty)
            terminal.Note($"nothing was found in {Some(empty)}");
        foreach (var remark in predictions.SelectMany(one => one.Remarks))
            terminal.Note(remark);
        if (predictions.Sum(one => one.Files.Count) is > 0 and var count)
            terminal.Note($"{count} pictures in {folder}");
    }

    private const int MostNamed = 5;

    private static string Some(string[] names) =>
        string.Join(", ", names.Take(MostNamed)) + (names.Length > MostNamed ? $" and {names.Length - MostNamed} more" : "");
}
