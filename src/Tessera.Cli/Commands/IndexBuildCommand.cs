using System.CommandLine;
using System.Text.Json.Nodes;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Search;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Models;
using Tessera.Retrieval;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera index build</c> and <c>tessera index add</c>: describe pictures and put them into an index.</summary>
internal static class IndexBuildCommand
{
    private const int MostNamed = 8;

    private static readonly Argument<string[]> Pictures = new("pictures")
    {
        HelpName = "file|folder",
        Description = "Picture files, and folders with pictures at any depth.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string?> Pool = new("--pool")
    {
        Description =
            "How a descriptor comes out of the model: the class token (cls), the mean, maximum or generalised mean of the patches (avg, "
            + "max, gem), or the task's own (auto, the default: for most models the class token, or the features that a classifier sees).",
        HelpName = "way",
    };
    private static readonly Option<double?> GemPower = new("--gem-power")
    {
        Description = "Power of the generalised mean.",
        HelpName = "number",
    };
    private static readonly Option<int?> Pca = new("--pca")
    {
        Description = "Reduce descriptors to so many numbers by principal components: smaller and faster, and a little less exact.",
        HelpName = "numbers",
    };
    private static readonly Option<string?> PcaFrom = new("--pca-from")
    {
        Description = "Folder of pictures that the components are fitted on, as those of training; by default those of the index.",
        HelpName = "folder",
    };
    private static readonly Option<int> PcaLimit = new("--pca-limit")
    {
        Description = "Fit the components on at most this number of pictures, evenly spaced.",
        HelpName = "pictures",
        DefaultValueFactory = _ => 20_000,
    };
    private static readonly Option<string[]> Set = new("--field")
    {
        Description = "Field that all of these pictures get, for --where of a search, as in --field place=Rome.",
        HelpName = "name=value",
        Arity = ArgumentArity.OneOrMore,
        DefaultValueFactory = _ => [],
    };
    private static readonly Option<string?> Metadata = new("--metadata")
    {
        Description = "CSV with fields of pictures: a first row of names, as in file,place,year, then a row per picture.",
        HelpName = "file",
    };
    private static readonly Option<bool> Approximate = new("--approximate")
    {
        Description = "Afterwards, build the graph by which search --approximate finds neighbours among very many pictures.",
    };

    internal static Command Create()
    {
        Pool.AcceptOnlyFromAmong([.. Enum.GetValues<DescriptorPooling>().Select(pooling => RecipeValue.Of(pooling))]);
        foreach (var option in (Option[])[Pca, PcaLimit])
            IndexCommand.AtLeast(option, 1);
        GemPower.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is { } power && !(power > 0 && double.IsFinite(power)))
                result.AddError("--gem-power must be above 0");
        });
        var command = new ExampleCommand("build", "Describe pictures and put them into a new index, or go on with one that was stopped.")
        {
            Examples =
            [
                ("tessera index build photos.index photos --model runs/photos", "describe all pictures of a folder by a run"),
                (
                    "tessera index build photos.index photos --model deit_small_patch16_224 --checkpoint deit_small.pth",
                    "describe them by published weights"
                ),
                ("tessera index build photos.index photos --model runs/photos --pca 128", "keep 128 numbers of each descriptor"),
                ("tessera index build photos.index photos --model runs/photos --metadata photos.csv", "keep fields to choose by"),
            ],
            Arguments = { IndexCommand.Index, Pictures },
            Options = { IndexCommand.Model, Pool, GemPower, Pca, PcaFrom, PcaLimit, Set, Metadata, Approximate, IndexCommand.Batch },
        };
        ModelSource.AddOptionsTo(command);
        command.SetAction(Build);
        return command;
    }

    internal static Command CreateAdd()
    {
        var command = new ExampleCommand("add", "Describe further pictures and add them to an index; those that are in it are skipped.")
        {
            Examples =
            [
                ("tessera index add photos.index holiday.jpg more", "add a picture and a folder"),
                ("tessera index add photos.index rome --field place=Rome", "add pictures with a field to choose by"),
                ("tessera index add photos.index more --model moved/run", "the run of the index lies in another folder now"),
            ],
            Arguments = { IndexCommand.Index, Pictures },
            Options = { IndexCommand.Model, Set, Metadata, Approximate, IndexCommand.Batch },
        };
        ModelSource.AddOptionsTo(command);
        command.SetAction(Add);
        return command;
    }

    private static int Build(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var path = parsed.GetRequiredValue(IndexCommand.Index);
        var name = parsed.GetValue(IndexCommand.Model) ?? throw new UserException("--model is required: it describes the pictures");
        if (parsed.GetValue(PcaFrom) is not null && parsed.GetValue(Pca) is null)
            throw new UserException("--pca-from needs --pca, the numbers that are kept");
        var fields = Fields(parsed);
        var pictures = PictureList.Of(parsed.GetRequiredValue(Pictures), interruption.Token);
        Torch.Threads = ThreadLimit.Here.Count;
        var model = IndexModel.Open(ModelSource.Choice(parsed, name), DescriptorOf(parsed), ModelSource.DeviceOf(parsed));
        ModelLoading.ShowNotes(model.Bundle.Notes, terminal);
        foreach (var remark in pictures.Remarks)
            terminal.Note(remark);
        var described = new Dictionary<string, float[]>(StringComparer.Ordinal);
        using var index = File.Exists(path) ? Again() : New();
        return index is null
            ? ExitCode.Interrupted
            : Fill(parsed, terminal, index, model, fields, pictures.Files, described, interruption.Token);

        VectorIndex Again()
        {
            var there = VectorIndex.Open(path, write: true);
            try
            {
                model.Check(there.Header, path);
                if ((there.Header.Projection is null ? null : (int?)there.Header.Dimension) != parsed.GetValue(Pca))
                    throw new UserException(
                        $"{path} has descriptors of {there.Header.Dimension} numbers{(there.Header.Projection is null ? "" : " by PCA")}: "
                            + "give --pca as when it was begun, or build another index"
                    );
            }
            catch
            {
                there.Dispose();
                throw;
            }
            terminal.Note($"{path} is there already, with {IndexCommand.Count(there.Count, "picture", "pictures")}: going on with it");
            return there;
        }

        VectorIndex? New()
        {
            if (parsed.GetValue(Pca) is not { } numbers)
                return VectorIndex.Create(path, model.Header(null, 0));
            if (numbers > model.Width)
                throw new UserException($"--pca must be at most {model.Width}, the numbers of a descriptor of {model.Title}");
            var own = parsed.GetValue(PcaFrom) is null;
            var all = parsed.GetValue(PcaFrom) is { } folder ? PictureList.Of([folder], interruption.Token).Files : pictures.Files;
            var most = Math.Min(all.Count, parsed.GetRequiredValue(PcaLimit));
            string[] sample = [.. Enumerable.Range(0, most).Select(place => all[(int)((long)place * all.Count / most)])];
            var fit = IndexCommand.Shown(terminal, "described for PCA", view =>
                PcaFit.Of(model, sample, numbers, parsed.GetRequiredValue(IndexCommand.Batch), view, interruption.Token)
            );
            if (fit is null)
            {
                terminal.Note($"stopped while the principal components were fitted: there is no {path} yet");
                return null;
            }
            if (own)
                foreach (var (file, vector) in fit.Described)
                    described[file] = vector;
            terminal.Note(
                $"{numbers} principal components of {IndexCommand.Count(fit.Pictures, "picture", "pictures")}, with "
                    + $"{Figures.Percent(fit.Kept)} of the variance"
            );
            return VectorIndex.Create(path, model.Header(fit.Projection, fit.Pictures));
        }
    }

    private static int Add(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var fields = Fields(parsed);
        var pictures = PictureList.Of(parsed.GetRequiredValue(Pictures), interruption.Token);
        using var index = VectorIndex.Open(parsed.GetRequiredValue(IndexCommand.Index), write: true);
        Torch.Threads = ThreadLimit.Here.Count;
        var model = IndexCommand.OpenModel(parsed, index.Header, terminal);
        foreach (var remark in pictures.Remarks)
            terminal.Note(remark);
        return Fill(parsed, terminal, index, model, fields, pictures.Files, new Dictionary<string, float[]>(), interruption.Token);
    }

    private static PictureFields Fields(ParseResult parsed) => PictureFields.Read(parsed.GetRequiredValue(Set), parsed.GetValue(Metadata));

    private static Descriptor DescriptorOf(ParseResult parsed)
    {
        var pooling = Enum.TryParse<DescriptorPooling>(parsed.GetValue(Pool), ignoreCase: true, out var chosen)
            ? chosen
            : DescriptorPooling.Auto;
        var power = parsed.GetValue(GemPower);
        return power is null || pooling == DescriptorPooling.Gem
            ? new Descriptor(pooling, power ?? new Descriptor().GemPower)
            : throw new UserException("--gem-power needs --pool gem");
    }

    private static int Fill(
        ParseResult parsed,
        Terminal terminal,
        VectorIndex index,
        IndexModel model,
        PictureFields fields,
        IReadOnlyList<string> files,
        IReadOnlyDictionary<string, float[]> described,
        CancellationToken stop
    )
    {
        var path = parsed.GetRequiredValue(IndexCommand.Index);
        var filling = new IndexFilling(index, model, fields, parsed.GetRequiredValue(IndexCommand.Batch));
        var filled = IndexCommand.Shown(terminal, "indexed", view => filling.Add(files, described, view, stop));
        var built = !filled.Stopped && parsed.GetValue(Approximate) && Graph(terminal, index, stop);
        Show(
            terminal,
            path,
            index,
            filled,
            [.. filled.Remarks, .. fields.Remark(files) is { } remark ? [remark] : Array.Empty<string>()],
            built
        );
        foreach (var image in filled.Unreadable.Take(terminal.Quiet ? int.MaxValue : MostNamed))
            Errors.WriteLine(Console.Error, $"{image.Name} cannot be read and was left out: {image.Problem}");
        if (filled.Unreadable.Count > MostNamed && !terminal.Quiet)
            Errors.WriteLine(Console.Error, $"and {filled.Unreadable.Count - MostNamed} more, which --json lists");
        if (filled.Stopped || stop.IsCancellationRequested)
        {
            terminal.Note("stopped: what is in the index is kept, and the same command goes on");
            return ExitCode.Interrupted;
        }
        return ExitCode.Success;
    }

    private static bool Graph(Terminal terminal, VectorIndex index, CancellationToken stop)
    {
        try
        {
            return IndexCommand.Shown(terminal, "connected", view =>
            {
                index.BuildApproximate(progress: new Shares(view, index.Count), stop: stop);
                return true;
            });
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return false;
        }
    }

    // A share of the pictures as a number of them.
    private sealed class Shares(IndexingView view, int all) : IProgress<double>
    {
        public void Report(double value) => view.Report(new((int)(value * all), all, 0));
    }

    private static void Show(Terminal terminal, string path, VectorIndex index, Filled filled, string[] remarks, bool built)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Index = path,
                    Pictures = index.Count,
                    filled.Added,
                    filled.Known,
                    filled.Replaced,
                    Unreadable = filled.Unreadable.Select(image => new { File = image.Name, image.Problem }),
                    Bytes = index.FileBytes,
                    Graph = built,
                    filled.Stopped,
                }
            );
            return;
        }
        if (terminal.Quiet)
        {
            Terminal.Result($"{index.Count}");
            return;
        }
        foreach (var remark in remarks)
            terminal.Note(remark);
        if (filled.Unreadable.Count > 0)
            terminal.Note($"{IndexCommand.Count(filled.Unreadable.Count, "picture", "pictures")} could not be read");
        var table = new TextTable(new(path), new("", true));
        table.Add("added", $"{filled.Added:N0}");
        table.Add("pictures", $"{index.Count:N0}");
        table.Add("numbers of a descriptor", $"{index.Header.Dimension:N0}");
        table.Add("size of the file", Figures.Bytes(index.FileBytes));
        table.Show(terminal);
    }
}
