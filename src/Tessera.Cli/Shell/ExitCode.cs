namespace Tessera.Cli.Shell;

/// <summary>Exit codes of the process.</summary>
internal static class ExitCode
{
    internal const int Success = 0;

    /// <summary>The work failed: out of memory, a full disk, a loss that is not a number.</summary>
    internal const int Failure = 1;

    /// <summary>The input is wrong: an unknown name, a missing file, an invalid recipe.</summary>
    internal const int UserError = 2;

    /// <summary>Ctrl-C ended the work in good order.</summary>
    internal const int Interrupted = 130;
}
