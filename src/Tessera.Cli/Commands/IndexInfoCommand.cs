using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Retrieval;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera index info</c>: says what an index holds.</summary>
internal static class IndexInfoCommand
{
    internal static Command Create()
    {
        var command = new ExampleCommand("info", "Show what an index holds and which model made it.")
        {
            Examples =
            [
                ("tessera index info photos.index", "show model, preparation and size"),
                ("tessera index info photos.index --json | jq .notes", "print what it keeps about its model"),
            ],
            Arguments = { IndexCommand.Index },
        };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        var path = parsed.GetRequiredValue(IndexCommand.Index);
        using var index = VectorIndex.Open(path);
        var header = index.Header;
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Index = path,
                    Pictures = index.Count,
                    header.Dimension,
                    header.Model,
                    header.ModelHash,
                    header.PreprocessingHash,
                    Reduced = header.Projection is not null,
                    Graph = index.HasApproximate,
                    Bytes = index.FileBytes,
                    header.Notes,
                }
            );
            return;
        }
        FactList.Show(
            [
                ("pictures", index.Count.ToString("N0", CultureInfo.InvariantCulture)),
                ("numbers", $"{header.Dimension.ToString(CultureInfo.InvariantCulture)}{(header.Projection is null ? "" : " by PCA")}"),
                ("size", Figures.Bytes(index.FileBytes)),
                ("graph", index.HasApproximate ? "yes: search --approximate" : "no"),
                ("model", header.Model),
                ("weights", header.ModelHash),
                ("preparation", header.PreprocessingHash),
                .. header.Notes.Select(note => (note.Key, note.Value)),
            ],
            terminal
        );
    }
}
