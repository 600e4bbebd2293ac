using System.Globalization;

namespace Tessera.Distributed;

/// <summary>The rank of this process and the meeting point of all processes, from the environment variables of their launcher.</summary>
/// <param name="Rank">From 0.</param>
/// <param name="Size">Number of processes.</param>
/// <param name="LocalRank">Rank among the processes of this machine, from 0: the number of its GPU.</param>
/// <param name="LocalSize">Number of processes on this machine, which share its processors.</param>
/// <param name="Address">Name or address of the machine of rank 0.</param>
/// <param name="Port">Port at which rank 0 listens.</param>
/// <param name="Timeout">How long a process waits for another before it gives up.</param>
public sealed record WorkerEnvironment(int Rank, int Size, int LocalRank, int LocalSize, string Address, int Port, TimeSpan Timeout)
{
    /// <summary>Seconds that a process waits for another before it gives up.</summary>
    public const string TimeoutVariable = "TESSERA_TIMEOUT";

    private const string AddressVariable = "MASTER_ADDR",
        PortVariable = "MASTER_PORT";
    private const int DefaultPort = 29500;
    private static readonly TimeSpan defaultTimeout = TimeSpan.FromSeconds(300);

    // The first of which the number of processes is set counts: torchrun inside of srun sets both.
    private static readonly Starter[] starters =
    [
        new("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
        new("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
        new("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
        new("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
    ];

    private sealed record Starter(string Rank, string Size, string LocalRank, string LocalSize);

    /// <summary>Reads the environment variables; null for a process that trains alone.</summary>
    /// <param name="variable">Gives the value of a variable; reads the environment of the process by default.</param>
    /// <exception cref="DistributedException">A variable is missing or invalid; the message names it.</exception>
    public static WorkerEnvironment? Read(Func<string, string?>? variable = null)
    {
        var get = variable ?? Environment.GetEnvironmentVariable;
        string? Value(string name) => get(name) is { Length: > 0 } value ? value : null;

        // A batch script of Slurm has the variables of its first task although srun has not started any.
        var starter = starters.FirstOrDefault(s =>
            Value(s.Size) is not null && Value(s.Rank) is not null && (s.Rank != "SLURM_PROCID" || Value("SLURM_STEP_ID") is not null)
        );
        if (starter is null)
            return null;
        var size = Number(starter.Size, 1, 1 << 20);
        if (size == 1)
            return null;
        var rank = Number(starter.Rank, 0, size - 1);
        var local = Value(starter.LocalRank) is null ? 0 : Number(starter.LocalRank, 0, size - 1);
        // Slurm's may be a list, as "4(x2),3".
        var together =
            Value(starter.LocalSize) is { } text
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number >= 1
                ? number
                : 1;
        return new(rank, size, local, together, FindAddress(starter, size, together, Value), FindPort(Value), Limit(Value));

        int Number(string name, int least, int most) =>
            int.TryParse(Value(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                ? number
                : throw new DistributedException($"{name}={Value(name)}: it must be a number from {least} to {most}");
    }

    private static string FindAddress(Starter starter, int size, int together, Func<string, string?> value)
    {
        if (value(AddressVariable) is { } given)
            return given;
        if (
            starter.Rank == "SLURM_PROCID"
            && (value("SLURM_STEP_NODELIST") ?? value("SLURM_JOB_NODELIST") ?? value("SLURM_NODELIST")) is { } nodes
        )
            return FirstNode(nodes);
        if (together == size)
            return "127.0.0.1";
        throw new DistributedException(
            $"{starter.Size}={size}, but {AddressVariable} does not say where rank 0 runs: "
                + "set it to the name of that machine, for all processes"
        );
    }

    /// <summary>The first machine of a list as Slurm writes it: <c>gpu[003-005,7],cpu1</c>.</summary>
    internal static string FirstNode(string list)
    {
        var end = list.IndexOfAny(['[', ',']);
        if (end < 0)
            return list;
        if (list[end] == ',')
            return list[..end];
        var close = list.IndexOf(']', end);
        var numbers = list[(end + 1)..(close < 0 ? list.Length : close)];
        var suffix = close < 0 ? "" : list[(close + 1)..].Split(',')[0];
        return list[..end] + numbers.Split(',', '-')[0] + suffix;
    }

    private static int FindPort(Func<string, string?> value)
    {
        if (value(PortVariable) is not { } given)
            return value("SLURM_JOB_ID") is { } job && long.TryParse(job, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? 20000 + (int)(number % 20000)
                : DefaultPort;
        if (!int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65534)
            throw new DistributedException($"{PortVariable}={given}: it must be a port from 1 to 65534");
        // There torchrun itself listens, with a store of its own version.
        return string.Equals(value("TORCHELASTIC_USE_AGENT_STORE"), "True", StringComparison.OrdinalIgnoreCase) ? port + 1 : port;
    }

    private static TimeSpan Limit(Func<string, string?> value)
    {
        if (value(TimeoutVariable) is not { } given)
            return defaultTimeout;
        return double.TryParse(given, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 1 and <= 86400
            ? TimeSpan.FromSeconds(seconds)
            : throw new DistributedException($"{TimeoutVariable}={given}: it must be seconds from 1 to 86400");
    }
}
