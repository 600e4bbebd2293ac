using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace Tessera.Cli.Shell;

/// <summary>
/// Where output goes and in which form: drawn on a terminal, plain text in a pipe, the bare result when quiet, or one JSON
/// object on standard output with everything else on standard error.
/// </summary>
internal sealed class Terminal
{
    private static readonly JsonSerializerOptions Snake = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly TextWriter output;
    private readonly Lazy<IAnsiConsole> console;

    internal Terminal(bool json, bool quiet)
    {
        (Json, Quiet) = (json, quiet);
        IsDrawn =
            !json && !quiet && !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
        output = json ? Console.Error : Console.Out;
        Text = new PrintableWriter(output);
        console = new(() => AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }));
    }

    internal bool Json { get; }

    internal bool Quiet { get; }

    /// <summary>Whether not even a result is printed: of several processes that train together, the first speaks for all.</summary>
    internal bool Silent { get; private init; }

    /// <summary>Prints nothing at all.</summary>
    internal static Terminal None => new(json: false, quiet: true) { Silent = true };

    /// <summary>Whether somebody looks at it: colours, tables with borders, live progress.</summary>
    internal bool IsDrawn { get; }

    /// <summary>For what is drawn.</summary>
    internal IAnsiConsole Drawing => console.Value;

    /// <summary>For plain text that accompanies the result, cleaned line by line.</summary>
    internal TextWriter Text { get; }

    /// <summary>A line that accompanies the result; nothing when quiet.</summary>
    internal void Note(string line)
    {
        if (!Quiet)
            Text.WriteLine(line);
    }

    /// <summary>A heading over what follows.</summary>
    internal void Heading(string text)
    {
        if (IsDrawn)
            Drawing.MarkupLine($"[bold]{Markup.Escape(Printable.Of(text))}[/]");
        else
            Note(text);
    }

    /// <summary>A line of the bare result. For people it is cleaned; a program that reads it gets names as they are.</summary>
    internal static void Result(string line) => Console.Out.WriteLine(Console.IsOutputRedirected ? line : Printable.Of(line));

    /// <summary>A row of the bare result: fields that were cleaned, between tabs.</summary>
    internal void Row(IEnumerable<string> cells) => output.WriteLine(string.Join('\t', cells));

    /// <summary>A text of several lines that a shell reads.</summary>
    internal static void Script(string text) => Console.Out.WriteLine(text);

    /// <summary>Part of a result as JSON, with the names that results have.</summary>
    internal static System.Text.Json.Nodes.JsonNode? ToJson(object? part) => JsonSerializer.SerializeToNode(part, Snake);

    /// <summary>The result as JSON.</summary>
    internal static void WriteJson(object result) => Console.Out.WriteLine(JsonSerializer.Serialize(result, Snake));
}
