using System.CommandLine;
using System.Diagnostics;
using Tessera.Cli.Rendering;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera token-labels</c>: labels of all places of all images, by a trained classifier.</summary>
internal static class TokenLabelsCommand
{
    private static readonly Argument<string> Run = new("run")
    {
        Description = "Folder of the annotator's run: a classifier whose features are a map (resnet*, guide_resnet*) or patch tokens.",
        HelpName = "run",
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "Folder that the labels are written to.",
        HelpName = "folder",
        Required = true,
    };
    private static readonly Option<string?> DataName = new("--data")
    {
        Description = "Data set; that of the run by default.",
        HelpName = "name",
    };
    private static readonly Option<string?> Split = new("--split")
    {
        Description = "Part of it; the one that the run was trained on by default.",
        HelpName = "split",
    };
    private static readonly Option<int> Top = new("--top")
    {
        Description = "How many scores are kept per place.",
        DefaultValueFactory = _ => 5,
    };
    private static readonly Option<string> Where = ModelLoading.DeviceOption();

    internal static Command Create()
    {
        var make = new ExampleCommand(
            "make",
            "Let a trained classifier look at every image of a data set and keep its best scores at every place."
        )
        {
            Examples =
            [
                ("tessera token-labels make runs/annotator --out labels/cifar10", "of the images that the annotator was trained on"),
                (
                    "tessera train my.yaml --set objective.labels=labels/cifar10",
                    "with objective: { name: token_labeling, labels: ... } in the recipe"
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
                throw new UserException($"--top {top}: it must be 1 to 1000");
            var run = parsed.GetRequiredValue(Run);
            var bundle = ModelBundle.Load(run, Device.Parse(parsed.GetRequiredValue(Where)));
            bundle.RequireClassifier();
            var (data, unreadableLimit) = Annotation.Images(run, parsed.GetValue(DataName), parsed.GetValue(Split));
            using var interruption = new Interruption(() => { });
            var started = Stopwatch.GetTimestamp();
            var unreadable = TokenLabelStore.Make(
                bundle.Model,
                data,
                folder,
                top,
                unreadableLimit: unreadableLimit,
                stop: interruption.Token
            );
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
                terminal.Note($"no labels of {image.Name}, which cannot be read: {image.Problem}");
            if (terminal is { Json: false, Quiet: false })
                terminal.Note(
                    $"{data.Count:N0} images of {data.Name} ({data.Split}) in {Figures.Time(Stopwatch.GetElapsedTime(started))}: {folder}, {bytes / 1e6:N1} MB"
                );
        });
        return new ExampleCommand("token-labels", "Labels of all places of all images, for training by token labeling.")
        {
            Examples = [("tessera token-labels make runs/annotator --out labels/cifar10", "by a classifier that was trained before")],
            Subcommands = { make },
        };
    }
}
