using System.Globalization;

namespace Tessera.Cli.Machine;

/// <summary>Threads of an operator where nothing else says how many.</summary>
internal static class DefaultThreads
{
    // What programs of this kind go by: a number, or one for each level of nesting.
    private const string Variable = "OMP_NUM_THREADS";

    /// <summary>As the environment says, else all processors, shared among the processes of the machine.</summary>
    internal static int Of(int processes = 1) =>
        int.TryParse(
            (Environment.GetEnvironmentVariable(Variable) ?? "").Split(',')[0],
            NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture,
            out var given
        )
        && given > 0
            ? given
            : Math.Max(1, Environment.ProcessorCount / processes);
}
