using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera eval</c>: how well a run, or a model with weights of a file, does on labelled images.</summary>
internal static class EvalCommand
{
    private const int MostUnreadable = 5;
    private const int MostRows = 30;

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
            var precision = parsed.GetValue(Type) switch
            {
                "bf16" => Precision.Bf16,
                "fp32" => Precision.Fp32,
                _ => subject.Bundle.Content.Precision,
            };
            Torch.Threads = Environment.ProcessorCount;
            using var compiled = parsed.GetValue(Eager) ? null : CompiledInference.Of(subject.Bundle.Model, precision, terminal);
            var started = Stopwatch.GetTimestamp();
            Metrics Run(Action<int>? done) =>
                subject.Run(precision, parsed.GetValue(Batch), compiled is null ? null : compiled.Call, done, interruption.Token);
            var metrics = terminal.IsDrawn
                ? terminal
                    .Drawing.Status()
                    .Start("Evaluating ...", status => Run(done => status.Status = $"Evaluating ... {done:N0} of {subject.Data.Count:N0}"))
                : Run(null);
            Show(subject, metrics, Stopwatch.GetElapsedTime(started), terminal);
        });
        return command;
    }

    private static BundleMeasurement Open(ParseResult parsed)
    {
        var name = parsed.GetRequiredValue(Subject);
        var device = Device.Parse(parsed.GetRequiredValue(DeviceName));
        var file = parsed.GetValue(CheckpointFile);
        var part = new MeasuredPart(parsed.GetValue(Data), parsed.GetValue(Root), parsed.GetValue(Split), parsed.GetValue(Limit));
        if (Directory.Exists(name))
        {
            var bundle = ModelBundle.Load(name, device, parsed.GetValue(Best), parsed.GetValue(Averaged));
            return BundleMeasurement.OfRun(name, file is null ? bundle : bundle.WithWeights(file), part);
        }
        var variant = ModelLoading.Find(name);
        if (file is null)
            throw new UserException($"{name} is a model without weights: --checkpoint names the file that has them");
        if (part.Name is null)
            throw new UserException(
                $"{name} is measured on labelled images: --data names the data set, one of {string.Join(", ", Datasets.Kinds.Keys.Order())}"
            );
        if (parsed.GetValue(Best) || parsed.GetValue(Averaged))
            throw new UserException("--best and --ema choose among the weights of a run; a model has only --checkpoint");
        return BundleMeasurement.OfWeights(variant, file, part, device);
    }

    private static void Show(BundleMeasurement subject, Metrics metrics, TimeSpan time, Terminal terminal)
    {
        var (data, classes) = (subject.Data, subject.Bundle.Classes);
        var speed = metrics.Count / time.TotalSeconds;
        if (terminal.Json)
        {
            var result = new JsonObject();
            foreach (var (figure, value) in metrics.Scalars)
                result[figure] = value;
            result["data"] = data.Name;
            result["split"] = data.Split;
            result["weights"] = subject.Bundle.Source;
            result["seconds"] = Math.Round(time.TotalSeconds, 3);
            result["images_per_second"] = Math.Round(speed, 1);
            result["unreadable"] = Terminal.ToJson(metrics.Unreadable.Select(image => new { File = image.Name, image.Problem }));
            result["evaluation"] = Terminal.ToJson(metrics.ToJson(classes));
            Terminal.WriteJson(result);
            return;
        }
        var sheet = MetricsTable.Sheet($"{data.Name} ({data.Split})");
        MetricsTable.AddTo(sheet, metrics, subject.Bundle.Task.SampleNoun);
        if (metrics.Unreadable.Count > 0)
            sheet.Add("unreadable images, left out", $"{metrics.Unreadable.Count:N0}");
        sheet.Add($"{subject.Bundle.Task.SampleNoun} a second", $"{speed:N0}");
        sheet.Show(terminal);
        if (terminal.Quiet)
            return;
        foreach (var image in metrics.Unreadable.Take(MostUnreadable))
            terminal.Note($"{image.Name} cannot be read: {image.Problem}");
        if (metrics.Unreadable.Count > MostUnreadable)
            terminal.Note($"and {metrics.Unreadable.Count - MostUnreadable} more; --json lists all");
        // More rows than fit on a screen are for the report and for --json.
        foreach (var table in metrics.Tables(classes).Where(table => table.Rows.Count <= MostRows))
            MetricsTable.Of(table).Show(terminal);
    }
}
