using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera explain</c>: where a model looks, as pictures and as one page.</summary>
internal static class ExplainCommand
{
    private const string PageName = "explain.html";

    private static readonly Argument<string> Subject = new("run|model")
    {
        HelpName = "run|model",
        Description = "Folder of a run, or the name of a model (with --checkpoint).",
        CompletionSources = { _ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)) },
    };

    private static readonly Argument<string[]> Files = new("images")
    {
        Description = "Image files: JPEG, PNG, WebP, GIF, TIFF or BMP.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "Folder of the pictures and the page.",
        HelpName = "folder",
        DefaultValueFactory = _ => "explain",
    };
    private static readonly Option<string?> Class = new("--class")
    {
        Description = "Name or number (from 0) of the class that Grad-CAM speaks of; the likeliest of each image by default.",
        HelpName = "class",
    };
    private static readonly Option<string?> CheckpointFile = new("--checkpoint")
    {
        Description = "Weights of a model: safetensors, or what PyTorch saves.",
        HelpName = "file",
    };
    private static readonly Option<int?> Classes = new("--classes")
    {
        Description = "How many classes the weights of a model tell apart; by default those of its paper.",
        HelpName = "number",
    };
    private static readonly Option<bool> Best = new("--best")
    {
        Description = "A run's checkpoint of the highest accuracy instead of the newest.",
    };
    private static readonly Option<bool> Averaged = new("--ema") { Description = "A run's moving average of the weights." };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "explain",
            "Show where a model looks: attention roll-out, Grad-CAM and what is the model's own (windows, kept tokens, sampling points), as PNG files and as one HTML page."
        )
        {
            Examples =
            [
                ("tessera explain runs/mine shirt.png boot.jpg", "pictures and explain/explain.html"),
                ("tessera explain runs/mine shirt.png --class Coat --out coat", "which places speak for a coat"),
                ("tessera explain deit_tiny_patch16_224 cat.jpg --checkpoint deit_tiny.pth", "published weights"),
                ("tessera explain runs/mine *.png --quiet", "prints the page's path"),
            ],
            Arguments = { Subject, Files },
            Options = { Out, Class, CheckpointFile, Classes, Best, Averaged, DeviceName },
        };
        command.SetAction(Run);
        return command;
    }

    private sealed record Opened(string Title, Backbone Model, Normalization Normalization, IReadOnlyList<string> Classes);

    private sealed record Explained(string File, string Class, IReadOnlyList<Choice> Choices, IReadOnlyList<string> Pictures);

    private sealed record Choice(string Class, double Probability);

    private static int Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        var subject = Open(parsed);
        var label = LabelOf(parsed.GetValue(Class), subject.Classes);
        Torch.Threads = Environment.ProcessorCount;
        var device = Device.Parse(parsed.GetRequiredValue(DeviceName));
        var folder = parsed.GetRequiredValue(Out);
        List<Explanation> explanations = [];
        List<Explained> results = [];
        var code = ExitCode.Success;
        foreach (var file in parsed.GetRequiredValue(Files))
        {
            try
            {
                using var scope = new Scope();
                var explanation = Explanation.Of(
                    Path.GetFileName(file),
                    subject.Model,
                    ImageInput.Read(file, subject.Model, subject.Normalization).To(device),
                    subject.Normalization,
                    subject.Classes,
                    label
                );
                explanations.Add(explanation);
                results.Add(
                    new(
                        file,
                        explanation.Explained,
                        [.. explanation.Choices.Select(c => new Choice(c.Class, c.Probability))],
                        Write(explanation, folder, explanations.Count)
                    )
                );
            }
            catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
            {
                // One bad file shall not cost the answers for the others.
                Errors.Report(error, Console.Error);
                code = ExitCode.UserError;
            }
        }
        var page = Path.Combine(folder, PageName);
        if (explanations.Count > 0)
            AtomicFile.Write(page, System.Text.Encoding.UTF8.GetBytes(ExplainPage.Render(subject.Title, explanations)));
        Show(terminal, results, page);
        return code;
    }

    private static Opened Open(ParseResult parsed)
    {
        var name = parsed.GetRequiredValue(Subject);
        var device = Device.Parse(parsed.GetRequiredValue(DeviceName));
        var file = parsed.GetValue(CheckpointFile);
        if (Directory.Exists(name))
        {
            if (parsed.GetValue(Classes) is not null)
                throw new UserException("--classes is for models; a run knows its classes");
            var trained = TrainedModel.FromRun(name, device, parsed.GetValue(Best), parsed.GetValue(Averaged));
            if (!trained.Model.TakesImages)
                throw new UserException($"{name} knows texts: only what a model sees in images can be explained");
            if (file is not null)
                Pretrained.Load(trained.Model, file);
            return new(
                $"{trained.Recipe.Model.Name} on {trained.Recipe.Data.Name}",
                trained.Model,
                trained.Facts.Normalization,
                trained.Facts.Classes
            );
        }
        if (name.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw new UserException($"there is no run folder {name}");
        var variant = Registry.Get(name);
        if (file is null)
            throw new UserException($"{name} is a model without weights: --checkpoint names the file that has them");
        if (parsed.GetValue(Best) || parsed.GetValue(Averaged))
            throw new UserException("--best and --ema choose among the checkpoints of a run; a model has only --checkpoint");
        Backbone model;
        using (Nn.Init.Skip())
            model = variant.Create(new() { Classes = parsed.GetValue(Classes) });
        Pretrained.Load(model, file);
        model.To(device);
        model.Eval();
        var preprocessing = variant.Preprocessing ?? Preprocessing.ImageNet;
        return new(
            name,
            model,
            new([.. preprocessing.Mean.Select(m => (float)m)], [.. preprocessing.Std.Select(s => (float)s)]),
            [.. Enumerable.Range(0, model.Classes).Select(i => $"class {i}")]
        );
    }

    private static int? LabelOf(string? wanted, IReadOnlyList<string> classes)
    {
        if (wanted is null)
            return null;
        var named = classes
            .Index()
            .Where(c => string.Equals(c.Item, wanted, StringComparison.OrdinalIgnoreCase))
            .Select(c => (int?)c.Index)
            .FirstOrDefault();
        if (named is not null)
            return named;
        if (int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < classes.Count)
            return number;
        var near = Spelling.Nearest(wanted, classes).Take(3);
        throw new UserException(
            $"--class: there is no class '{wanted}'; a number from 0 to {classes.Count - 1} or a name is right, the nearest are {string.Join(", ", near)}"
        );
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
        var sheet = new Sheet(new("file"), new("class"), new("probability", true), new("explained"), new("pictures", true));
        foreach (var one in results)
            sheet.Add(one.File, one.Choices[0].Class, Figures.Percent(one.Choices[0].Probability), one.Class, $"{one.Pictures.Count}");
        sheet.Show(terminal);
        terminal.Note($"page  {page}");
    }
}
