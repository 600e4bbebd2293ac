using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks.Generation;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera generate</c>: images of a trained generator, as files, as a grid, and on the way from one to another.</summary>
internal static class GenerateCommand
{
    private const string GridName = "grid.png",
        InterpolationName = "interpolation.png";

    // More than these nobody looks at in one picture.
    private const int MostInGrid = 400;

    private static readonly Argument<string> Run = new("run") { Description = "Folder of a run, or of a bundle, of task generation." };
    private static readonly Option<int> Count = new("--count", "-n")
    {
        Description = "Number of images.",
        HelpName = "images",
        DefaultValueFactory = _ => 64,
    };
    private static readonly Option<ulong> Seed = new("--seed")
    {
        Description = "Seed of random vectors and noise: an image depends on it, and on the image's number, alone.",
        HelpName = "number",
        DefaultValueFactory = _ => 0,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "Folder for the images, which must be empty or not there yet.",
        HelpName = "folder",
        DefaultValueFactory = _ => "generated",
    };
    private static readonly Option<double> Truncation = new("--truncation")
    {
        Description =
            "Share, from 0 to 1, of the way from the mean style to that of an image: less than 1 gives more ordinary images, which differ "
            + "less.",
        HelpName = "share",
        DefaultValueFactory = _ => 1,
    };
    private static readonly Option<int> Interpolate = new("--interpolate")
    {
        Description = $"Also write {InterpolationName} with so many rows, each from one image to another.",
        HelpName = "rows",
        DefaultValueFactory = _ => 0,
    };
    private static readonly Option<int> Steps = new("--steps")
    {
        Description = "Images of a row of --interpolate, at least 2.",
        HelpName = "images",
        DefaultValueFactory = _ => 9,
    };
    private static readonly Option<bool> Best = new("--best") { Description = "Use the best checkpoint of the run instead of the newest." };
    private static readonly Option<bool> NoAverage = new("--no-ema")
    {
        Description = "Use the weights themselves; by default their moving average is used where the run has one.",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();

    internal static Command Create()
    {
        foreach (var (option, least) in new[] { (Count, 1), (Interpolate, 0), (Steps, 2) })
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < least)
                    result.AddError($"{option.Name} must be at least {least}");
            });
        Truncation.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (>= 0 and <= 1))
                result.AddError("--truncation must be from 0 to 1");
        });
        var command = new ExampleCommand("generate", "Make images with a trained generator.")
        {
            Examples =
            [
                ("tessera generate runs/faces -n 64 --seed 7", "write 64 images and a grid of them into the folder generated"),
                ("tessera generate runs/faces -n 16 --interpolate 4 --out morphs", "also write images between pairs of others"),
                ("tessera generate runs/faces --truncation 0.7 --out ordinary", "make more ordinary images"),
                ("tessera generate runs/faces --json | jq .images", "print the paths of the images"),
            ],
            Arguments = { Run },
            Options = { Count, Seed, Out, Truncation, Interpolate, Steps, Best, NoAverage, DeviceName },
        };
        command.SetAction(Generate);
        return command;
    }

    private static int Generate(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var (bundle, averaged) = Open(parsed);
        var folder = parsed.GetRequiredValue(Out);
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new UserException($"--out {folder} is there already and not empty: choose another folder, or delete it first");
        Torch.Threads = ThreadLimit.Here.Count;
        var (count, seed, truncation) = (parsed.GetValue(Count), parsed.GetValue(Seed), parsed.GetValue(Truncation));
        using var scope = new Scope();
        var images = new GeneratedImages((ImageGenerator)bundle.Model, seed, truncation);
        List<string> written = [];
        List<Tensor> shown = [];
        SampleProgress.Show(
            terminal,
            count,
            seen =>
            {
                for (var number = 0; number < count && !interruption.Token.IsCancellationRequested; number++)
                {
                    written.Add(Write(folder, number, count, images.Image(number), shown));
                    seen(written.Count);
                }
            },
            "generate"
        );
        if (interruption.Token.IsCancellationRequested)
        {
            terminal.Note($"stopped: {written.Count:N0} of {count:N0} images are in {folder}");
            return ExitCode.Interrupted;
        }
        var grid = Path.Combine(folder, GridName);
        AtomicFile.Write(grid, ImageGrid.Png(shown));
        var rows = parsed.GetValue(Interpolate);
        var between = rows == 0 ? null : Path.Combine(folder, InterpolationName);
        if (between is not null)
            AtomicFile.Write(between, Interpolated(images, rows, parsed.GetValue(Steps)));
        Show(terminal, new(bundle, averaged, seed, truncation, folder, written, grid, between));
        return ExitCode.Success;
    }

    private static (ModelBundle Bundle, bool Averaged) Open(ParseResult parsed)
    {
        var run = parsed.GetRequiredValue(Run);
        if (!Directory.Exists(run))
            throw new UserException($"there is no run folder {run}");
        var entries = BundleFolder.Find(run).Read().Weights;
        var averaged = !parsed.GetValue(NoAverage) && entries.Any(entry => entry.Average);
        var bundle = ModelBundle.Load(run, Device.Parse(parsed.GetRequiredValue(DeviceName)), parsed.GetValue(Best), averaged);
        return bundle.Model is ImageGenerator
            ? (bundle, averaged)
            : throw new UserException(
                $"{run}: {bundle.Content.Model.Title} makes no images: generate needs a run of task generation, and this is one of task "
                    + bundle.Task.Name
            );
    }

    private static string Write(string folder, int number, int count, Tensor image, List<Tensor> shown)
    {
        // As many digits as the last has, and no fewer than four.
        var digits = Math.Max(4, (count - 1).ToString(CultureInfo.InvariantCulture).Length);
        var path = Path.Combine(folder, $"{number.ToString($"D{digits}", CultureInfo.InvariantCulture)}.png");
        AtomicFile.Write(path, ImageGrid.Png(image));
        if (shown.Count < MostInGrid)
            shown.Add(image);
        else
            image.Dispose();
        return path;
    }

    private static byte[] Interpolated(GeneratedImages images, int rows, int steps) =>
        ImageGrid.Png([.. Enumerable.Range(0, rows).SelectMany(row => LatentArc.Between(images, 2 * row, 2 * row + 1, steps))], steps);

    private sealed record Made(
        ModelBundle Bundle,
        bool Averaged,
        ulong Seed,
        double Truncation,
        string Folder,
        IReadOnlyList<string> Images,
        string Grid,
        string? Interpolation
    );

    private static void Show(Terminal terminal, Made made)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Weights = made.Bundle.Source,
                    made.Averaged,
                    made.Seed,
                    made.Truncation,
                    made.Images,
                    made.Grid,
                    made.Interpolation,
                }
            );
            return;
        }
        if (terminal.Quiet)
        {
            Terminal.Result(made.Folder);
            return;
        }
        FactList.Show(
            [
                ("images", $"{made.Images.Count:N0} in {made.Folder}, seed {made.Seed}"),
                ("weights", made.Bundle.Source + (made.Averaged ? ", the moving average" : "")),
                ("grid", made.Grid + (made.Images.Count > MostInGrid ? $", the first {MostInGrid:N0}" : "")),
                .. made.Interpolation is { } between ? [("on the way", between)] : Array.Empty<(string, string)>(),
            ],
            terminal
        );
    }
}
