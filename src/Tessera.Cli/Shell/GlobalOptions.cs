using System.CommandLine;

namespace Tessera.Cli.Shell;

/// <summary>The options that every command has.</summary>
internal static class GlobalOptions
{
    internal static readonly Option<bool> Json = new("--json")
    {
        Description = "Print the result as JSON on standard output and progress on standard error.",
        Recursive = true,
    };

    internal static readonly Option<bool> Quiet = new("--quiet", "-q") { Description = "Print only the result.", Recursive = true };

    /// <summary>Where a command's output goes.</summary>
    internal static Terminal Terminal(this ParseResult parsed) => new(parsed.GetValue(Json), parsed.GetValue(Quiet));
}
