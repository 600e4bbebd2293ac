using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Retrieval;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera index remove</c>: takes pictures out of an index.</summary>
internal static class IndexRemoveCommand
{
    private static readonly Argument<string[]> Pictures = new("pictures")
    {
        HelpName = "file|folder",
        Description = "Picture files, and folders whose pictures all go. The files themselves stay, or may be gone already.",
        Arity = ArgumentArity.ZeroOrMore,
    };
    private static readonly Option<string[]> Ids = new("--id")
    {
        Description = "Ids of items, several with commas.",
        HelpName = "ids",
        CustomParser = result => [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries))],
        DefaultValueFactory = _ => [],
    };
    private static readonly Option<bool> Missing = new("--missing") { Description = "Pictures whose files are no longer there." };
    private static readonly Option<bool> Compact = new("--compact")
    {
        Description = "Write the file anew afterwards, without the room of what was taken out.",
    };

    internal static Command Create()
    {
        Ids.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string[]>()!.FirstOrDefault(text => Id(text) is null) is { } wrong)
                result.AddError($"--id must be whole numbers with commas between them, as in 3,17, not '{wrong}'");
        });
        var command = new ExampleCommand("remove", "Take pictures out of an index; their ids are never given again.")
        {
            Examples =
            [
                ("tessera index remove photos.index photos/blurred.jpg photos/old", "take out a picture and all of a folder"),
                ("tessera index remove photos.index --id 3,17", "take out items by the ids that a search shows"),
                ("tessera index remove photos.index --missing --compact", "take out files that are gone, and give the room back"),
                ("tessera index remove photos.index --where \"year<2000\"", "take out all that meet a condition"),
            ],
            Arguments = { IndexCommand.Index, Pictures },
            Options = { Ids, IndexCommand.Where, Missing, Compact },
        };
        command.SetAction(Run);
        return command;
    }

    private static long? Id(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

    private static void Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        var path = parsed.GetRequiredValue(IndexCommand.Index);
        var given = parsed.GetValue(Pictures) ?? [];
        var (filter, missing) = (IndexCommand.Filter(parsed), parsed.GetValue(Missing));
        long[] wanted = [.. parsed.GetRequiredValue(Ids).Select(text => Id(text)!.Value)];
        if (given.Length == 0 && wanted.Length == 0 && filter is null && !missing && !parsed.GetValue(Compact))
            throw new UserException("nothing is named that shall go: give files, folders, --id, --where or --missing");
        using var index = VectorIndex.Open(path, write: true);
        var ids = new HashSet<long>();
        foreach (var id in wanted)
            ids.Add(index.Find(id) is null ? throw new UserException($"{path} has no item {id}") : id);
        if (given.Length > 0)
            ids.UnionWith(Named(index, path, given));
        if (filter is not null)
            ids.UnionWith(index.Items(filter).Select(item => item.Id));
        if (missing)
            ids.UnionWith(index.Items().Where(item => !File.Exists(item.Name)).Select(item => item.Id));
        var removed = index.Remove([.. ids]);
        if (parsed.GetValue(Compact))
            index.Compact();
        if (terminal.Json)
            Terminal.WriteJson(
                new
                {
                    Index = path,
                    Removed = removed,
                    Pictures = index.Count,
                    Bytes = index.FileBytes,
                }
            );
        else if (terminal.Quiet)
            Terminal.Result($"{removed}");
        else
            terminal.Note(
                $"removed {IndexCommand.Count(removed, "picture", "pictures")}; "
                    + $"{path} has {IndexCommand.Count(index.Count, "picture", "pictures")} in {Figures.Bytes(index.FileBytes)}"
            );
    }

    // Each file and folder that was named has to be of some item.
    private static HashSet<long> Named(VectorIndex index, string path, string[] given)
    {
        var ids = new HashSet<long>();
        var names = given.ToDictionary(
            name => name,
            name => Path.TrimEndingDirectorySeparator(Path.GetFullPath(name)),
            StringComparer.Ordinal
        );
        var files = names.Values.ToHashSet(StringComparer.Ordinal);
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in index.Items())
            for (string? place = item.Name; place is not null; place = Path.GetDirectoryName(place))
                if (files.Contains(place))
                {
                    found.Add(place);
                    ids.Add(item.Id);
                }
        return names.FirstOrDefault(name => !found.Contains(name.Value)).Key is { } absent
            ? throw new UserException($"{path} has no picture {absent}")
            : ids;
    }
}
