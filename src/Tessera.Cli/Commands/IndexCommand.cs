using System.CommandLine;
using System.CommandLine.Completions;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Search;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Retrieval;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera index</c>: a searchable file of pictures.</summary>
internal static class IndexCommand
{
    internal static readonly Argument<string> Index = new("index") { HelpName = "index", Description = "File of the index." };

    internal static readonly Option<string?> Model = new("--model")
    {
        Description = "Run folder, or model name (with --checkpoint), that describes the pictures; by default that of the index.",
        HelpName = "run|model",
        CompletionSources = { _ => Registry.All.Select(variant => new CompletionItem(variant.Name)) },
    };

    internal static readonly Option<int> Batch = new("--batch")
    {
        Description = "Pictures at a time.",
        HelpName = "pictures",
        DefaultValueFactory = _ => 32,
    };

    internal static readonly Option<string?> Where = new("--where")
    {
        Description = "Only items whose fields meet a condition, as in \"folder=beach and year>=2000\".",
        HelpName = "condition",
    };

    internal static Command Create()
    {
        AtLeast(Batch, 1);
        return new ExampleCommand("index", "Make pictures searchable by similarity: one file with a descriptor of each.")
        {
            Examples =
            [
                ("tessera index build photos.index photos --model runs/photos", "describe all pictures of a folder"),
                ("tessera index add photos.index more", "add pictures of another folder"),
                ("tessera index search photos.index cat.jpg", "find the pictures that are most like one"),
                ("tessera index eval photos.index", "measure whether pictures find others of their folder"),
                ("tessera index remove photos.index photos/blurred.jpg", "take a picture out"),
            ],
            Subcommands =
            {
                IndexBuildCommand.Create(),
                IndexBuildCommand.CreateAdd(),
                IndexRemoveCommand.Create(),
                IndexSearchCommand.Create(),
                IndexEvalCommand.Create(),
                IndexInfoCommand.Create(),
            },
        };
    }

    /// <summary>Refuses smaller numbers.</summary>
    internal static void AtLeast(Option option, int least) =>
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is { } number && number < least)
                result.AddError($"{option.Name} must be at least {least}");
        });

    /// <summary>The model of an index, with what its loading had to say.</summary>
    internal static IndexModel OpenModel(ParseResult parsed, IndexHeader header, Terminal terminal)
    {
        var other = parsed.GetValue(Model) is { } name ? ModelSource.Choice(parsed, name) : null;
        var model = IndexModel.Of(header, parsed.GetRequiredValue(Index), other, ModelSource.DeviceOf(parsed));
        ModelLoading.ShowNotes(model.Bundle.Notes, terminal);
        return model;
    }

    /// <summary>The condition that items have to meet; null for all.</summary>
    internal static IndexFilter? Filter(ParseResult parsed) => parsed.GetValue(Where) is { } text ? IndexFilter.Parse(text) : null;

    /// <summary>Does work that shows how far it is: live on a terminal, else a line now and then.</summary>
    internal static T Shown<T>(Terminal terminal, string what, Func<IndexingView, T> work) =>
        terminal.IsDrawn
            ? terminal
                .Drawing.Status()
                .Start($"{what} ...", status =>
                    work(new(what, line => status.Status = Markup.Escape(line), TimeSpan.FromMilliseconds(100), TimeProvider.System))
                )
            : work(new(what, terminal.Note, TimeSpan.FromSeconds(5), TimeProvider.System));

    /// <summary>An item as programs read it.</summary>
    internal static JsonObject ToJson(IndexItem item)
    {
        var json = new JsonObject { ["id"] = item.Id, ["file"] = item.Name };
        json["fields"] = new JsonObject([.. item.Metadata.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)field.Value))]);
        return json;
    }

    /// <summary>A number of things, for people.</summary>
    internal static string Count(long count, string one, string several) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? one : several)}");
}
