using System.Globalization;

namespace Tessera;

/// <summary>How many threads are of use here, and what says so: the least of all that limits them.</summary>
/// <param name="Count">At least 1.</param>
/// <param name="Source">What limits them, in words.</param>
internal sealed record ThreadLimit(int Count, string Source)
{
    internal const string Variable = "OMP_NUM_THREADS";

    /// <summary>What limits this process.</summary>
    internal static ThreadLimit Here => Least(All());

    /// <summary>Processors that this process may use, whatever it is told to use of them.</summary>
    internal static int Processors => Least(OfProcessors("/")).Count;

    /// <summary>Threads of one of several processes on this machine. Started by us, each has its share in the variable already.</summary>
    /// <param name="processes">How many share the processors.</param>
    internal static int Shared(int processes) => Shared(All(), processes);

    internal static int Shared(IEnumerable<ThreadLimit> limits, int processes) =>
        Least(limits.Select(limit => limit.Source == Variable ? limit : limit with { Count = Math.Max(1, limit.Count / processes) })).Count;

    internal static ThreadLimit Least(IEnumerable<ThreadLimit> limits) => limits.MinBy(limit => limit.Count)!;

    // In the order in which they are named where several are equal.
    private static IEnumerable<ThreadLimit> All() =>
        OfOpenMp(Environment.GetEnvironmentVariable(Variable)) is { } openMp
            ? OfProcessors("/").Append(new(openMp, Variable))
            : OfProcessors("/");

    /// <summary>What limits this process by hardware, affinity and control groups.</summary>
    /// <param name="root">The root of the file system in which the kernel tells of the last two.</param>
    internal static IEnumerable<ThreadLimit> OfProcessors(string root)
    {
        // The runtime's own count knows of affinity, too, and of DOTNET_PROCESSOR_COUNT, which may be higher than all others.
        yield return new(Environment.ProcessorCount, "processors");
        if (
            Lines(root, "proc/self/status").FirstOrDefault(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal)) is
            { } allowed
        )
            yield return new(InList(allowed[(allowed.IndexOf(':', StringComparison.Ordinal) + 1)..]), "affinity");
        if (Quota(Lines(root, "proc/self/cgroup"), path => Content(root, path.TrimStart('/'))) is { } quota)
            yield return new(quota, "cgroup quota");
    }

    /// <summary>Processors in a list such as <c>0-3,8</c>, as the kernel writes it.</summary>
    internal static int InList(string list) =>
        list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(range => range.Split('-'))
            .Sum(ends => int.Parse(ends[^1], CultureInfo.InvariantCulture) - int.Parse(ends[0], CultureInfo.InvariantCulture) + 1);

    /// <summary>The variable's first number, which is that of the outermost level; null where OpenMP ignores it.</summary>
    internal static int? OfOpenMp(string? value) =>
        int.TryParse(value?.Split(',')[0], NumberStyles.Integer, CultureInfo.InvariantCulture, out var count) && count > 0 ? count : null;

    /// <summary>
    /// Processors that the control groups of a process allow, rounded up: the least over its group and all above it. Null without a quota.
    /// </summary>
    /// <param name="groups">Lines of /proc/self/cgroup.</param>
    /// <param name="read">A file's content; null when there is none.</param>
    internal static int? Quota(IEnumerable<string> groups, Func<string, string?> read)
    {
        double? least = null;
        foreach (var line in groups)
        {
            // number:controllers:path; of the second version the controllers are empty.
            if (line.Split(':', 3) is not [_, var controllers, var path])
                continue;
            var second = controllers.Length == 0;
            if (!second && !controllers.Split(',').Contains("cpu"))
                continue;
            foreach (var folder in Upwards(path))
            {
                var found = second
                    ? OfSecond(read($"/sys/fs/cgroup{folder}/cpu.max"))
                    : OfFirst(
                        read($"/sys/fs/cgroup/{controllers}{folder}/cpu.cfs_quota_us")
                            ?? read($"/sys/fs/cgroup/cpu{folder}/cpu.cfs_quota_us"),
                        read($"/sys/fs/cgroup/{controllers}{folder}/cpu.cfs_period_us")
                            ?? read($"/sys/fs/cgroup/cpu{folder}/cpu.cfs_period_us")
                    );
                if (found < (least ?? double.MaxValue))
                    least = found;
            }
        }
        return least is { } processors ? (int)Math.Max(1, Math.Ceiling(processors)) : null;
    }

    // /a/b, /a and the root, which is that of the container where its groups are hidden.
    private static IEnumerable<string> Upwards(string path)
    {
        for (var folder = path.TrimEnd('/'); folder.Length > 0; folder = folder[..folder.LastIndexOf('/')])
            yield return folder;
        yield return "";
    }

    /// <summary>Processors by <c>cpu.max</c>: quota and period in microseconds, or <c>max</c>.</summary>
    internal static double? OfSecond(string? max) => max?.Split(' ') is [var quota, var period] ? Ratio(quota, period) : null;

    /// <summary>Processors by <c>cpu.cfs_quota_us</c>, -1 for none, and <c>cpu.cfs_period_us</c>.</summary>
    internal static double? OfFirst(string? quota, string? period) => Ratio(quota, period);

    private static double? Ratio(string? quota, string? period) =>
        long.TryParse(quota, NumberStyles.Integer, CultureInfo.InvariantCulture, out var microseconds)
        && long.TryParse(period, NumberStyles.Integer, CultureInfo.InvariantCulture, out var of)
        && microseconds > 0
        && of > 0
            ? microseconds / (double)of
            : null;

    private static string[] Lines(string root, string path) => Content(root, path)?.Split('\n') ?? [];

    private static string? Content(string root, string path) =>
        Path.Combine(root, path) is var file && File.Exists(file) ? File.ReadAllText(file) : null;
}
