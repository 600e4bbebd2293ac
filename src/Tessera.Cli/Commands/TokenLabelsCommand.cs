using System.CommandLine;
using System.Diagnostics;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera token-labels</c>: labels every position of every image with a trained classifier.</summary>
internal static class TokenLabelsCommand
{
    private static readonly Argument<string> Run = new("run")
    {
        Description = "Run folder of the annotator, a classifier with feature maps (resnet*, guide_resnet*) or patch tokens.",
        HelpName = "run",
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "Folder for the labels.",
        HelpName = "folder",
        Required = true,
    };
    private static readonly Option<string?> DataName = new("--data")
    {
        Description = "Data set; by default that of the run.",
        HelpName = "name",
    };
    private static readonly Option<string?> Split = new("--split")
    {
        Description = "Split of the data set; by default the training split of the run.",
        HelpName = "split",
    };
    private static readonly Option<int> Top = new("--top")
    {
        Description = "Number of scores to keep per position.",
        DefaultValueFactory = _ => 5,
    };
    private static readonly Option<string> Where = ModelLoading.DeviceOption();

    internal static Command Create()
    {
        var make = new ExampleCommand(
            "make",
            "Run a trained classifier on every image of a data set and keep its best scores at every position."
        )
        {
            Examples =
            [
                ("tessera token-labels make runs/annotator --out labels/cifar10", "label the training images of the annotator"),
                (
                    "tessera train my.yaml --set objective.labels=labels/cifar10",
                    "train with the labels; the recipe needs objective: { name: token_labeling, labels: ... }"
                ),
            ],
            Arguments = { Run },
            Options = { Out, DataName, Split, Top, Where },
        };
        make.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var (folder, top) = (parsed.GetRequiredValue(Out), parsed.GetValue(Top));
            if (top is < 1 or > 1000)
                throw new UserException($"--top must be 1 to 1000, not {top}");
            var run = parsed.GetRequiredValue(Run);
            var bundle = ModelBundle.Load(run, Device.Parse(parsed.GetRequiredValue(Where)));
            bundle.RequireClassifier();
            var backbone = bundle.Backbone;
            var (data, unreadableLimit) = Annotation.Samples(run, bundle, parsed.GetValue(DataName), parsed.GetValue(Split));
            using var interruption = new Interruption(() => { });
            var started = Stopwatch.GetTimestamp();
            var unreadable = TokenLabelStore.Make(backbone, data, folder, top, unreadableLimit: unreadableLimit, stop: interruption.Token);
            var bytes = new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length);
            if (terminal.Json)
                Terminal.WriteJson(
                    new
                    {
                        Folder = folder,
                        Images = data.Count,
                        Unreadable = unreadable.Select(image => new { image.Name, image.Problem }),
                        Top = top,
                        Bytes = bytes,
                        Seconds = Math.Round(Stopwatch.GetElapsedTime(started).TotalSeconds, 3),
                    }
                );
            else if (terminal.Quiet)
                Terminal.Result(folder);
            foreach (var image in unreadable)
                terminal.Note($"{image.Name} has no labels, since it cannot be read: {image.Problem}");
            if (terminal is { Json: false, Quiet: false })
                terminal.Note(
                    $"{data.Count:N0} images of {data.Name} ({data.Split}) in {Figures.Time(Stopwatch.GetElapsedTime(started))}: "
                        + $"{folder}, {bytes / 1e6:N1} MB"
                );
        });
        return new ExampleCommand("token-labels", "Make labels of image positions for token labeling.")
        {
            Examples = [("tessera token-labels make runs/annotator --out labels/cifar10", "label with a trained classifier")],
            Subcommands = { make },
        };
    }
}
