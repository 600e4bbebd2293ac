using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Spectre.Console;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera eval</c>: measures a run, or a model with weights from a file, on labelled samples.</summary>
internal static class EvalCommand
{
    private const int MostUnreadable = 5;
    private const int MostRows = 30;

    private static readonly Argument<string> Subject = new("run|model")
    {
        HelpName = "run|model",
        Description = "Run folder, or model name (with --checkpoint and --data).",
        CompletionSources = { _ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)) },
    };

    private static readonly Option<string?> CheckpointFile = new("--checkpoint")
    {
        Description = "Weight file (safetensors or PyTorch), index of several, or folder of the Hugging Face hub.",
        HelpName = "file",
    };
    private static readonly Option<string?> Key = ModelLoading.KeyOption();
    private static readonly Option<string?> Classes = ModelLoading.ClassesOption();
    private static readonly Option<string?> Prefix = ModelLoading.PrefixOption();
    private static readonly Option<string?> Data = new("--data")
    {
        Description = "Data set; by default that of the run.",
        HelpName = "name",
    };
    private static readonly Option<string?> Root = new("--root") { Description = "Folder of the data set.", HelpName = "folder" };
    private static readonly Option<string?> Split = new("--split")
    {
        Description = "Split of the data set; by default that of the run, or test, or validation where there is no test split.",
        HelpName = "name",
    };
    private static readonly Option<int?> Limit = new("--limit")
    {
        Description = "Use at most this number of images of the split, of all classes in proportion to their size.",
        HelpName = "images",
    };
    private static readonly Option<int?> Batch = new("--batch") { Description = "Batch size.", HelpName = "images" };
    private static readonly Option<bool> Best = new("--best") { Description = "Use the best checkpoint of the run instead of the newest." };
    private static readonly Option<bool> Averaged = new("--ema")
    {
        Description = "Use the moving average of the weights of the run or file.",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();
    private static readonly Option<string?> Type = new("--precision")
    {
        Description = "Type of matrix products, fp32 or bf16; by default that of the run.",
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
                ("tessera eval runs/mine", "measure on the test images of the recipe"),
                ("tessera eval runs/mine --best --split train --limit 5000", "measure the best checkpoint on training images"),
                ("tessera eval cct_7_3x1_32 --checkpoint cct_7_3x1_32_cifar10.pth --data cifar10", "measure published weights"),
                ("tessera eval runs/mine --crop 1 --interpolation bilinear", "measure with another preparation of images"),
                ("tessera eval runs/mine --precision bf16", "measure with products in bfloat16"),
                ("tessera eval runs/mine --json | jq .top1", "print the accuracy as a fraction"),
            ],
            Arguments = { Subject },
            Options = { CheckpointFile, Key, Prefix, Classes, Data, Root, Split, Limit, Batch, Best, Averaged, DeviceName, Type, Eager },
        };
        PreparationInput.AddTo(command);
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            using var interruption = new Interruption();
            var subject = Open(parsed);
            if (PreparationInput.Of(parsed) is { } changes)
                subject = subject with { Bundle = subject.Bundle.With(changes) };
            ModelLoading.ShowNotes(subject.Bundle.Notes, terminal);
            var precision = parsed.GetValue(Type) switch
            {
                "bf16" => Precision.Bf16,
                "fp32" => Precision.Fp32,
                _ => subject.Bundle.Content.Precision,
            };
            Torch.Threads = ThreadLimit.Here.Count;
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
        var averaged = parsed.GetValue(Averaged);
        var file = ModelLoading.Weights(parsed.GetValue(CheckpointFile), parsed.GetValue(Key), parsed.GetValue(Prefix), averaged);
        var part = new MeasuredPart(parsed.GetValue(Data), parsed.GetValue(Root), parsed.GetValue(Split), parsed.GetValue(Limit));
        if (Directory.Exists(name))
        {
            if (parsed.GetValue(Classes) is not null)
                throw new UserException("--classes cannot be combined with a run, which knows its classes");
            var bundle = ModelBundle.Load(name, device, parsed.GetValue(Best), averaged && file is null);
            return BundleMeasurement.OfRun(name, file is null ? bundle : bundle.WithWeights(file), part);
        }
        var variant = ModelLoading.Find(name);
        if (file is null)
            throw new UserException($"--checkpoint is required: model {name} has no weights of its own");
        if (part.Name is null)
            throw new UserException($"--data is required for model {name}: choose one of {string.Join(", ", Datasets.Kinds.Keys.Order())}");
        if (parsed.GetValue(Best))
            throw new UserException("--best needs a run folder; a model has only the weights of --checkpoint");
        var (count, names) = ModelLoading.ClassesOf(parsed.GetValue(Classes));
        return BundleMeasurement.OfWeights(variant, file, part, names ?? ModelLoading.Numbered(count), device);
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
            result["preparation"] = Terminal.ToJson(Preparation.Of(subject.Pipeline));
            result["remarks"] = Terminal.ToJson(subject.Remarks);
            result["seconds"] = Math.Round(time.TotalSeconds, 3);
            result["images_per_second"] = Math.Round(speed, 1);
            result["unreadable"] = Terminal.ToJson(metrics.Unreadable.Select(image => new { File = image.Name, image.Problem }));
            result["evaluation"] = Terminal.ToJson(metrics.ToJson(classes));
            Terminal.WriteJson(result);
            return;
        }
        var table = MetricsTable.Create($"{data.Name} ({data.Split})");
        MetricsTable.AddTo(table, metrics, subject.Bundle.Task.SampleNoun);
        if (metrics.Unreadable.Count > 0)
            table.Add("unreadable images, skipped", $"{metrics.Unreadable.Count:N0}");
        table.Add($"{subject.Bundle.Task.SampleNoun} per second", $"{speed:N0}");
        table.Show(terminal);
        if (terminal.Quiet)
            return;
        terminal.Note($"prepared by  {Preparation.Of(subject.Pipeline)}");
        foreach (var remark in subject.Remarks)
            terminal.Note(remark);
        foreach (var image in metrics.Unreadable.Take(MostUnreadable))
            terminal.Note($"{image.Name} cannot be read: {image.Problem}");
        if (metrics.Unreadable.Count > MostUnreadable)
            terminal.Note($"{metrics.Unreadable.Count - MostUnreadable} more images cannot be read; --json lists all");
        // More rows than fit on a screen are for the report and for --json.
        foreach (var details in metrics.Tables(classes).Where(details => details.Rows.Count <= MostRows))
            MetricsTable.Of(details).Show(terminal);
    }
}
