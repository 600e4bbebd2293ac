using System.CommandLine;
using System.Diagnostics;
using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Data;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera eval</c>: how well a run, or a model with weights of a file, does on labelled images.</summary>
internal static class EvalCommand
{
    private const int MostUnreadable = 5;

    private static readonly Argument<string> Subject = new("run|model")
    {
        HelpName = "run|model",
        Description = "Folder of a run, or the name of a model (with --checkpoint and --data).",
        CompletionSources = { _ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)) },
    };

    private static readonly Option<string?> CheckpointFile = new("--checkpoint")
    {
        Description = "Take the weights from this file: safetensors, or what PyTorch saves.",
        HelpName = "file",
    };
    private static readonly Option<string?> Data = new("--data")
    {
        Description = "Measure on this data set; a run's own by default.",
        HelpName = "name",
    };
    private static readonly Option<string?> Root = new("--root") { Description = "Folder of the data set's files.", HelpName = "folder" };
    private static readonly Option<string?> Split = new("--split")
    {
        Description = "Part of the data set; a run's own, else test.",
        HelpName = "name",
    };
    private static readonly Option<int?> Limit = new("--limit")
    {
        Description = "Measure on the first so many images only.",
        HelpName = "images",
    };
    private static readonly Option<int?> Batch = new("--batch") { Description = "Images at a time.", HelpName = "images" };
    private static readonly Option<bool> Best = new("--best")
    {
        Description = "A run's checkpoint of the highest accuracy instead of the newest.",
    };
    private static readonly Option<bool> Averaged = new("--ema") { Description = "A run's moving average of the weights." };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();
    private static readonly Option<string?> Type = new("--precision")
    {
        Description = "Type of products: fp32 or bf16; that of a run's recipe by default.",
        HelpName = "type",
    };
    private static readonly Option<bool> Eager = CompiledInference.EagerOption();

    internal static Command Create()
    {
        Type.AcceptOnlyFromAmong("fp32", "bf16");
        var command = new ExampleCommand("eval", "Measure a run, or a model with weights from a file, on labelled images.")
        {
            Examples =
            [
                ("tessera eval runs/mine", "on the test images of its recipe"),
                ("tessera eval runs/mine --best --split train --limit 5000", "the best checkpoint on images it has learned from"),
                ("tessera eval cct_7_3x1_32 --checkpoint cct_7_3x1_32_cifar10.pth --data cifar10", "published weights"),
                ("tessera eval runs/mine --precision bf16", "how much shorter products cost or save"),
                ("tessera eval runs/mine --json | jq .top1", "accuracy as a fraction"),
            ],
            Arguments = { Subject },
            Options = { CheckpointFile, Data, Root, Split, Limit, Batch, Best, Averaged, DeviceName, Type, Eager },
        };
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            using var interruption = new Interruption();
            var subject = Open(parsed);
            if (parsed.GetValue(Type) is { } type)
                subject = subject with { Precision = type == "bf16" ? Precision.Bf16 : Precision.Fp32 };
            Torch.Threads = Environment.ProcessorCount;
            using var compiled = parsed.GetValue(Eager) ? null : CompiledInference.Of(subject.Model, subject.Precision, terminal);
            var started = Stopwatch.GetTimestamp();
            var evaluation = Measure(subject, compiled, parsed.GetValue(Batch), terminal, interruption.Token);
            Show(subject, evaluation, Stopwatch.GetElapsedTime(started), terminal);
        });
        return command;
    }

    private sealed record Measured(
        Backbone Model,
        Dataset Data,
        Pipeline Pipeline,
        EvaluationOptions Options,
        Precision Precision,
        double UnreadableLimit,
        string Source
    );

    private static Measured Open(ParseResult parsed)
    {
        var name = parsed.GetRequiredValue(Subject);
        var device = Device.Parse(parsed.GetRequiredValue(DeviceName));
        var file = parsed.GetValue(CheckpointFile);
        if (Directory.Exists(name))
        {
            var trained = TrainedModel.FromRun(name, device, parsed.GetValue(Best), parsed.GetValue(Averaged));
            if (file is not null)
                Pretrained.Load(trained.Model, file);
            var own = trained.Recipe;
            var given = parsed.GetValue(Data);
            var data =
                given is null && parsed.GetValue(Root) is null
                    ? RecipeData.Open(trained.Facts, own.Data, parsed.GetValue(Split) ?? own.Evaluation.Split, parsed.GetValue(Limit))
                    : RecipeData.Open(
                        trained.Facts,
                        new DataRecipe(given ?? own.Data.Name, Root: parsed.GetValue(Root)),
                        parsed.GetValue(Split) ?? own.Evaluation.Split,
                        parsed.GetValue(Limit)
                    );
            // What the recipe does with its own data fits by itself.
            if (given is not null)
                Check(trained.Model, data);
            var seen = DataFacts.Of(data) with { Mean = trained.Facts.Mean, Deviation = trained.Facts.Deviation };
            return new(
                trained.Model,
                data,
                own.EvaluationPipeline(trained.Model, seen),
                own.Evaluation,
                own.Train.Precision,
                own.Data.UnreadableLimit,
                file ?? trained.Checkpoint.Path
            );
        }
        if (
            Registry.All.All(variant => variant.Name != name)
            && !Registry.Find(name).Any()
            && name.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal)
        )
            throw new UserException($"there is no run folder {name}");
        var found = Registry.Get(name);
        if (file is null)
            throw new UserException($"{name} is a model without weights: --checkpoint names the file that has them");
        if (parsed.GetValue(Data) is not { } wanted)
            throw new UserException(
                $"{name} is measured on labelled images: --data names the data set, one of {string.Join(", ", Datasets.Kinds.Keys.Order())}"
            );
        if (parsed.GetValue(Best) || parsed.GetValue(Averaged))
            throw new UserException("--best and --ema choose among the checkpoints of a run; a model has only --checkpoint");
        var images = Datasets.OpenImages(wanted, parsed.GetValue(Split) ?? "test", parsed.GetValue(Root));
        var set = parsed.GetValue(Limit) is { } limit && limit < images.Count ? new Subset(images, limit) : images;
        Backbone model;
        using (Nn.Init.Skip())
            model = found.Create(
                new()
                {
                    Classes = set.ClassNames.Count,
                    Channels = set.Channels,
                    ImageSize = set is { Height: { } height, Width: { } width } ? (height, width) : null,
                }
            );
        Pretrained.Load(model, file);
        model.To(device);
        var normalization =
            found.Preprocessing is { } own2 && own2.Mean.Count == set.Channels
                ? new Normalization([.. own2.Mean.Select(m => (float)m)], [.. own2.Std.Select(s => (float)s)])
                : set.Normalization;
        var side = model.ImageSize.Height;
        var fits = (set.Height, set.Width) == model.ImageSize || model.ImageSize.Width != side;
        return new(
            model,
            set,
            new(fits ? [] : [new EvaluationCrop(side, found.Preprocessing?.CropRatio ?? 0.875)], normalization),
            new(),
            Precision.Fp32,
            0.01,
            file
        );
    }

    private static void Check(Backbone model, Dataset data)
    {
        if (model.Classes != data.ClassNames.Count)
            throw new UserException($"the model knows {model.Classes} classes, {data.Name} has {data.ClassNames.Count}");
        if (data is ImageDataset images && model.Channels != images.Channels)
            throw new UserException($"the model takes images of {model.Channels} channels, those of {images.Name} have {images.Channels}");
    }

    private static Evaluation Measure(Measured subject, CompiledModel? compiled, int? batch, Terminal terminal, CancellationToken stop)
    {
        var loader = new Loader(
            subject.Data,
            subject.Pipeline,
            batch ?? subject.Options.Batch,
            unreadableLimit: subject.UnreadableLimit,
            replacement: Replacement.None
        );
        Evaluation Run(Action<int>? done) =>
            Evaluator.Run(
                subject.Model,
                loader.Epoch(0),
                subject.Options,
                subject.Precision,
                done,
                compiled is null ? null : compiled.Call,
                stop: stop
            );
        return terminal.IsDrawn
            ? terminal
                .Drawing.Status()
                .Start("Evaluating ...", status => Run(done => status.Status = $"Evaluating ... {done:N0} of {subject.Data.Count:N0}"))
            : Run(null);
    }

    private static void Show(Measured subject, Evaluation evaluation, TimeSpan time, Terminal terminal)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    evaluation.Top1,
                    evaluation.Top5,
                    Data = subject.Data.Name,
                    subject.Data.Split,
                    Weights = subject.Source,
                    Seconds = Math.Round(time.TotalSeconds, 3),
                    ImagesPerSecond = Math.Round(evaluation.Count / time.TotalSeconds, 1),
                    Unreadable = evaluation.Unreadable.Select(image => new { File = image.Name, image.Problem }),
                    Evaluation = EvaluationTable.Json(evaluation, subject.Data.ClassNames),
                }
            );
            return;
        }
        var sheet = EvaluationTable.Sheet($"{subject.Data.Name} ({subject.Data.Split})");
        EvaluationTable.AddTo(sheet, evaluation);
        if (evaluation.Unreadable.Count > 0)
            sheet.Add("unreadable images, left out", $"{evaluation.Unreadable.Count:N0}");
        sheet.Add($"{(subject.Data is ImageDataset ? "images" : "texts")} a second", $"{evaluation.Count / time.TotalSeconds:N0}");
        sheet.Show(terminal);
        if (terminal.Quiet)
            return;
        foreach (var image in evaluation.Unreadable.Take(MostUnreadable))
            terminal.Note($"{image.Name} cannot be read: {image.Problem}");
        if (evaluation.Unreadable.Count > MostUnreadable)
            terminal.Note($"and {evaluation.Unreadable.Count - MostUnreadable} more; --json lists all");
        var classes = new Sheet(new("class"), new("samples", true), new("right", true), new("most often taken for"));
        foreach (var (label, name) in subject.Data.ClassNames.Index())
        {
            var row = evaluation.Confusion[label];
            var other = row.Index()
                .Where(cell => cell.Index != label && cell.Item > 0)
                .OrderByDescending(cell => cell.Item)
                .Select(cell => $"{subject.Data.ClassNames[cell.Index]} ({cell.Item})")
                .FirstOrDefault();
            classes.Add(
                name,
                $"{row.Sum():N0}",
                evaluation.PerClass[label] is { } recall ? Figures.Percent(recall) : Figures.None,
                other ?? ""
            );
        }
        // More classes than fit on a screen are for the report and for --json.
        if (subject.Data.ClassNames.Count <= 30)
            classes.Show(terminal);
    }
}
