using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Data;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera predict</c>: what a trained model sees in image files or texts.</summary>
internal static class PredictCommand
{
    private const int BarWidth = 20;

    private static readonly Argument<string> Run = new("run") { Description = "Folder of a run." };

    private static readonly Argument<string[]> Files = new("files")
    {
        HelpName = "file|text",
        Description = "Image files (JPEG, PNG, WebP, GIF, TIFF or BMP); for a run that knows texts: texts, or files with a text a line.",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<int> Top = new("--top")
    {
        Description = "How many classes are shown.",
        HelpName = "classes",
        DefaultValueFactory = _ => 5,
    };

    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();
    private static readonly Option<bool> Eager = CompiledInference.EagerOption();

    internal static Command Create()
    {
        var command = new ExampleCommand("predict", "Show the most likely classes of image files or texts.")
        {
            Examples =
            [
                ("tessera predict runs/mine shirt.png boot.jpg", "the five most likely classes of each"),
                ("tessera predict runs/mine *.png --quiet", "file, class and probability, a line each"),
                ("tessera predict runs/mine *.png --top 1 --json", "for a program"),
                ("tessera predict runs/questions \"Who wrote Hamlet?\" more.txt", "a text, and a file with one a line"),
            ],
            Arguments = { Run, Files },
            Options = { Top, DeviceName, Eager },
        };
        Top.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
                result.AddError("--top: at least 1 is right.");
        });
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var trained = TrainedModel.FromRun(parsed.GetRequiredValue(Run), Device.Parse(parsed.GetRequiredValue(DeviceName)));
            Torch.Threads = Environment.ProcessorCount;
            // Tracing costs a prediction of its own: it pays from the second file on.
            using var compiled =
                parsed.GetValue(Eager) || parsed.GetRequiredValue(Files).Length < 2
                    ? null
                    : CompiledInference.Of(trained.Model, Precision.Fp32, terminal);
            List<Prediction> predictions = [];
            var code = ExitCode.Success;
            foreach (var (name, input) in Inputs(trained, parsed.GetRequiredValue(Files)))
            {
                try
                {
                    predictions.Add(Predict(trained, compiled, name, input, parsed.GetValue(Top)));
                }
                catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
                {
                    // One bad file shall not cost the answers for the others.
                    Errors.Report(error, Console.Error);
                    code = ExitCode.UserError;
                }
            }
            Show(predictions, terminal);
            return code;
        });
        return command;
    }

    private sealed record Choice(string Class, int Label, double Probability);

    private sealed record Prediction(string File, IReadOnlyList<Choice> Choices);

    private static IEnumerable<(string Name, Func<ModelInput> Input)> Inputs(TrainedModel trained, string[] given)
    {
        if (trained.Facts.Words is not { } words)
            return given.Select(file =>
                (file, (Func<ModelInput>)(() => new(ImageInput.Read(file, trained.Model, trained.Facts.Normalization))))
            );
        var vocabulary = new Vocabulary(words);
        var length = trained.Facts.Height!.Value;
        return given
            .SelectMany(text => File.Exists(text) ? File.ReadLines(text).Where(line => !string.IsNullOrWhiteSpace(line)) : [text])
            .Select(text => (text, (Func<ModelInput>)(() => Encode(text))));

        ModelInput Encode(string text)
        {
            var ids = vocabulary.Encode(text, length);
            long[] padded = [.. ids.Select(id => (long)id), .. Enumerable.Repeat((long)Vocabulary.Padding, length - ids.Length)];
            return new(Tensor.From(padded, 1, length), Tensor.From([.. padded.Select((_, i) => i < ids.Length)], 1, length));
        }
    }

    private static Prediction Predict(TrainedModel trained, CompiledModel? compiled, string name, Func<ModelInput> read, int top)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var device = trained.Model.Parameters().First().Device;
        var input = read();
        var logits = compiled?.Call(input.Inputs)
            ?? trained.Model.Run(input with { Inputs = input.Inputs.To(device), Mask = input.Mask?.To(device) }).Logits;
        var probabilities = logits.To(DType.Float64).Softmax(1).ToArray<double>();
        return new(
            name,
            [
                .. probabilities
                    .Index()
                    .OrderByDescending(p => p.Item)
                    .Take(top)
                    .Select(p => new Choice(trained.Facts.Classes[p.Index], p.Index, p.Item)),
            ]
        );
    }

    private static void Show(IReadOnlyList<Prediction> predictions, Terminal terminal)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(predictions);
            return;
        }
        if (terminal.Quiet)
        {
            foreach (var (file, choices) in predictions)
                Terminal.Result(
                    string.Create(CultureInfo.InvariantCulture, $"{file}\t{choices[0].Class}\t{choices[0].Probability:0.0000}")
                );
            return;
        }
        if (predictions.Count == 0)
            return;
        Column[] columns =
        [
            new("file"),
            new("class"),
            new("probability", true),
            .. terminal.IsDrawn ? [new Column("")] : Array.Empty<Column>(),
        ];
        var sheet = new Sheet(columns);
        foreach (var (file, choices) in predictions)
        {
            foreach (var (rank, choice) in choices.Index())
            {
                // A pipe's reader wants the file on every line, a person's eye on the first.
                string[] cells = [terminal.IsDrawn && rank > 0 ? "" : file, choice.Class, Figures.Percent(choice.Probability)];
                sheet.Add(terminal.IsDrawn ? [.. cells, new string('█', (int)Math.Round(choice.Probability * BarWidth))] : cells);
            }
        }
        sheet.Show(terminal);
    }
}
