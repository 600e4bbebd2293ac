using System.CommandLine;
using System.Diagnostics;
using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Data.Downloads;
using Tessera.Data.Sets;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera data</c>: lists, fetches and checks data sets.</summary>
internal static class DataCommand
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DrawnInterval = TimeSpan.FromMilliseconds(100);

    private static readonly Argument<string> Name = new("name")
    {
        HelpName = "name",
        Description = "Name of a data set; tessera data list shows all.",
        CompletionSources = { _ => Datasets.Kinds.Keys.Order().Select(name => new System.CommandLine.Completions.CompletionItem(name)) },
    };

    private static readonly Option<string?> Root = new("--root")
    {
        Description = "Parent folder of the data sets; $TESSERA_DATA or ~/.cache/tessera by default.",
        HelpName = "folder",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand("data", "List, fetch and check data sets.")
        {
            Examples =
            [
                ("tessera data list", "list the data sets and their folders"),
                ("tessera data get cifar10", "fetch a data set; continues an interrupted transfer"),
                ("tessera data check image_folder --root /data/birds", "say everything about a folder of images before a training"),
            ],
            Subcommands = { List(), Get(), DataCheckCommand.Create(Name, Root) },
        };
        return command;
    }

    private static ExampleCommand List()
    {
        var command = new ExampleCommand("list", "List the data sets with their splits, sources and folders.")
        {
            Examples =
            [
                ("tessera data list", "list all data sets"),
                ("tessera data list --quiet", "print only names, one per line"),
                ("tessera data list --json | jq '.[] | select(.present)'", "select the data sets that are present"),
            ],
            Options = { Root },
        };
        command.SetAction(parsed => Show(parsed.Terminal(), parsed.GetValue(Root)));
        return command;
    }

    private static ExampleCommand Get()
    {
        var command = new ExampleCommand("get", "Fetch a data set into the cache, verify its checksums, unpack it and count its samples.")
        {
            Examples =
            [
                ("tessera data get fashion_mnist", "fetch into $TESSERA_DATA or ~/.cache/tessera"),
                ("tessera data get cifar100 --root /data", "fetch into /data/cifar100; recipes then need data.root=/data"),
                ("FOLDER=$(tessera data get stl10 --quiet)", "print only the folder, for a script"),
            ],
            Arguments = { Name },
            Options = { Root },
        };
        command.SetAction(parsed => Fetch(parsed.Terminal(), parsed.GetRequiredValue(Name), parsed.GetValue(Root)));
        return command;
    }

    private static void Show(Terminal terminal, string? root)
    {
        var kinds = Datasets
            .Kinds.Values.OrderBy(kind => kind.Name, StringComparer.Ordinal)
            .Select(kind => (Kind: kind, Found: kind.Find(root)))
            .ToArray();
        if (terminal.Json)
        {
            Terminal.WriteJson(
                kinds.Select(one => new
                {
                    one.Kind.Name,
                    one.Kind.Summary,
                    one.Kind.Splits,
                    Fetchable = Fetchable(one.Kind),
                    Present = one.Found is not null,
                    Folder = one.Found ?? FolderOf(one.Kind, root ?? Datasets.Cache),
                })
            );
            return;
        }
        if (terminal.Quiet)
        {
            foreach (var (kind, _) in kinds)
                Terminal.Result(kind.Name);
            return;
        }
        var table = new TextTable(new("name"), new("description"), new("splits"), new("source"), new("folder"));
        foreach (var (kind, found) in kinds)
        {
            var source = Fetchable(kind) ? "tessera data get" : "manual";
            table.Add(kind.Name, kind.Summary, string.Join(", ", kind.Splits), source, found ?? "");
        }
        table.Show(terminal);
        terminal.Note($"data sets are fetched into {root ?? Datasets.Cache}");
    }

    private static bool Fetchable(DatasetKind kind) => DatasetDownload.Plans.ContainsKey(kind.Name);

    private static string FolderOf(DatasetKind kind, string root) => Path.Combine(root, kind.Folder);

    private static void Fetch(Terminal terminal, string name, string? root)
    {
        var kind = Datasets.Find(name);
        using var interruption = new Interruption();
        using var client = new HttpClient();
        var started = Stopwatch.GetTimestamp();
        string Run(Action<string> write, TimeSpan interval) =>
            DatasetDownload
                .GetAsync(kind.Name, client, root, new DownloadView(write, interval, TimeProvider.System), interruption.Token)
                .GetAwaiter()
                .GetResult();
        var folder = terminal.IsDrawn
            ? terminal
                .Drawing.Status()
                .Start($"Fetching {kind.Name} ...", status => Run(line => status.Status = Markup.Escape(line), DrawnInterval))
            : Run(terminal.Note, PlainInterval);
        var parts = DatasetDownload.Check(kind.Name, Place(kind, root));
        ShowParts(terminal, kind, folder, parts, Stopwatch.GetElapsedTime(started));
    }

    // Data of one's own lies in the root itself; a published set lies in it or in its own folder below.
    internal static string? Place(DatasetKind kind, string? root) =>
        root is not null && !kind.IsOwn && Directory.Exists(FolderOf(kind, root)) ? FolderOf(kind, root) : root;

    private static void ShowParts(
        Terminal terminal,
        DatasetKind kind,
        string folder,
        IReadOnlyList<(string Split, int Count)> parts,
        TimeSpan time
    )
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    kind.Name,
                    Folder = folder,
                    Seconds = Math.Round(time.TotalSeconds, 3),
                    Parts = parts.ToDictionary(part => part.Split, part => part.Count),
                }
            );
            return;
        }
        if (terminal.Quiet)
        {
            Terminal.Result(folder);
            return;
        }
        var table = new TextTable(new(kind.Name), new("samples", true));
        foreach (var (split, count) in parts)
            table.Add(split, $"{count:N0}");
        table.Show(terminal);
        terminal.Note($"folder  {folder}");
    }
}
