namespace Tessera.Cli;

/// <summary>What the process ends with.</summary>
internal static class ExitCode
{
    internal const int Success = 0;

    /// <summary>The work could not be done: out of memory, a full disk, a loss that is no number.</summary>
    internal const int Failure = 1;

    /// <summary>What was asked for cannot be right: an unknown name, a missing file, a recipe with a mistake.</summary>
    internal const int UserError = 2;

    /// <summary>Ctrl-C, after what was begun was put in order.</summary>
    internal const int Interrupted = 130;
}
