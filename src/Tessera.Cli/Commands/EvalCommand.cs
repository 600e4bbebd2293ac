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
                (
                    "tessera eval vit_tiny_patch16_224 --checkpoint mine.pth --classes names.txt --data image_folder --root pets",
                    "measure weights of your own by the names of their classes"
                ),
                ("tessera eval runs/mine --precision bf16", "measure with products in bfloat16"),
                ("tessera eval runs/mine --json | jq .top1", "print the accuracy as a fraction"),
            ],
            Options = { Data, Root, Split, Limit, Batch, Type, Eager },
        };
        ModelSource.AddTo(command);
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
            // Only logits come from a compiled model.
            using var compiled =
                parsed.GetValue(Eager) || subject.Bundle.Task.Descriptor is not null
                    ? null
                    : CompiledInference.Of(subject.Bundle.Model, precision, terminal);
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
        var part = new MeasuredPart(parsed.GetValue(Data), parsed.GetValue(Root), parsed.GetValue(Split), parsed.GetValue(Limit));
        return ModelSource.Open(
            parsed,
            (folder, bundle) => BundleMeasurement.OfRun(folder, bundle, part),
            (variant, file, classes, device) =>
                part.Name is null
                    ? throw new UserException(
                        $"--data is required for model {variant.Name}: choose one of {string.Join(", ", Datasets.Kinds.Keys.Order())}"
                    )
                    : BundleMeasurement.OfWeights(variant, file, part, classes, device)
        );
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
