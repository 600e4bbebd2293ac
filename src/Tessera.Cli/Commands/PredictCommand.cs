using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Training;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera predict</c>: classifies image files or texts with a trained model.</summary>
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

    private static readonly Option<bool> Eager = CompiledInference.EagerOption();

    internal static Command Create()
    {
        var command = new ExampleCommand("predict", "Show the most likely classes of image files or texts.")
        {
            Examples =
            [
                ("tessera predict runs/mine shirt.png boot.jpg", "show the five likeliest classes of each image"),
                ("tessera predict runs/mine *.png --quiet", "print file, class and probability, one line each"),
                ("tessera predict runs/mine *.png --top 1 --json", "print JSON for a program"),
                ("tessera predict runs/mine *.png --best --ema", "use the averaged weights of the best checkpoint"),
                ("tessera predict deit_tiny_patch16_224 cat.jpg --checkpoint deit_tiny.pth", "use published weights"),
                ("tessera predict runs/questions \"Who wrote Hamlet?\" more.txt", "classify a text and the lines of a file"),
            ],
            Arguments = { Files },
            Options = { Top, Eager },
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
            Torch.Threads = ThreadLimit.Here.Count;
            // Tracing costs a prediction of its own: it pays from the second file on.
            using var compiled =
                parsed.GetValue(Eager) || given.Length < 2 ? null : CompiledInference.Of(bundle.Model, Precision.Fp32, terminal);
            List<Prediction> predictions = [];
            var code = ExitCode.Success;
            foreach (var sample in bundle.Read(given))
            {
                try
                {
                    predictions.Add(bundle.Predict(sample, parsed.GetValue(Top), compiled is null ? null : compiled.Call));
                }
                catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
                {
                    // A bad file must not stop the others.
                    Errors.Report(error, Console.Error);
                    code = ExitCode.UserError;
                }
            }
            Show(predictions, terminal);
            return code;
        });
        return command;
    }

    private static void Show(IReadOnlyList<Prediction> predictions, Terminal terminal)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(
                predictions.Select(one => new
                {
                    File = one.Sample,
                    Choices = one.Classes.Select(c => new
                    {
                        c.Class,
                        c.Label,
                        c.Probability,
                        c.Chosen,
                    }),
                })
            );
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
        var several = predictions.Any(one => one.Classes.Count(c => c.Chosen) != 1);
        Column[] columns =
        [
            new("file"),
            new("class"),
            new("probability", true),
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
    }
}
