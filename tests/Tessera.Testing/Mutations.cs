using System.Diagnostics;
using System.Globalization;
using Xunit;
using Xunit.Sdk;

namespace Tessera.Testing;

/// <summary>
/// Damages good files in many ways: whatever reads them gives a value or a typed error of one line, within bounds of time and
/// memory. Inputs that once broke a parser lie under tests/regressions/PARSER and are read first.
/// </summary>
public static class Mutations
{
    /// <summary>The trait of tests that call this: <c>./test --filter Category=Mutations</c>.</summary>
    public const string Category = "Mutations";

    /// <summary>Bytes that reading a small file may allocate.</summary>
    public const long UsualAllocation = 256L << 20;

    private const double LongestSeconds = 5;
    private const long LargestProcess = 4L << 30;

    /// <summary>Damaged files per parser: <c>TESSERA_MUTATIONS</c>, else as many as every run of the suite has time for.</summary>
    public static int Count { get; } =
        int.TryParse(
            Environment.GetEnvironmentVariable("TESSERA_MUTATIONS"),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var count
        )
            ? count
            : 10_000;

    /// <summary>Reads every damaged file; anything but a value or the parser's own error fails.</summary>
    /// <typeparam name="TError">The parser's own error.</typeparam>
    /// <param name="parser">Its name, in the figures and below tests/regressions.</param>
    /// <param name="cases">Files that are whole, damaged in turn, and what reads each to its end.</param>
    /// <param name="largest">Bytes that reading one file may allocate.</param>
    public static void Check<TError>(string parser, IReadOnlyList<(byte[] Good, Action<byte[]> Read)> cases, long largest = UsualAllocation)
        where TError : Exception
    {
        var count = Count;
        foreach (var (good, read) in cases)
            read(good);
        foreach (var known in Regressions(parser))
        foreach (var (_, read) in cases)
            Read<TError>(parser, Path.GetFileName(known), File.ReadAllBytes(known), read, largest);
        var figures = new Figures();
        ResetPeak();
        var random = new Random(4711);
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            var (good, read) = cases[i % cases.Count];
            figures.Add(Read<TError>(parser, $"mutation {i}", Mutate(good, random), read, largest));
        }
        Write(parser, figures, Stopwatch.GetElapsedTime(started));
        Assert.True(figures.Errors > count / 100, $"of {count} damaged files of {parser} only {figures.Errors} were rejected");
    }

    private readonly record struct Outcome(bool Rejected, double Seconds, long Allocated);

    private sealed class Figures
    {
        internal int Values { get; private set; }
        internal int Errors { get; private set; }
        internal double Slowest { get; private set; }
        internal long Largest { get; private set; }

        internal void Add(Outcome outcome)
        {
            if (outcome.Rejected)
                Errors++;
            else
                Values++;
            Slowest = Math.Max(Slowest, outcome.Seconds);
            Largest = Math.Max(Largest, outcome.Allocated);
        }
    }

    private static Outcome Read<TError>(string parser, string name, byte[] input, Action<byte[]> read, long largest)
        where TError : Exception
    {
        var (started, allocated, rejected) = (ThreadTime.Seconds, GC.GetAllocatedBytesForCurrentThread(), false);
        try
        {
            read(input);
        }
        catch (TError error)
        {
            rejected = true;
            if (error.Message.AsSpan().ContainsAny('\n', '\r'))
                throw Failed(parser, name, input, $"the error has several lines: {error.Message}", error);
        }
        catch (Exception error)
        {
            throw Failed(parser, name, input, $"{error.GetType().Name}: {error.Message}", error);
        }
        var outcome = new Outcome(rejected, ThreadTime.Seconds - started, GC.GetAllocatedBytesForCurrentThread() - allocated);
        if (outcome.Seconds > LongestSeconds)
            throw Failed(parser, name, input, $"it takes {outcome.Seconds:0.0} s", null);
        if (outcome.Allocated > largest)
            throw Failed(parser, name, input, $"it allocates {outcome.Allocated} bytes", null);
        return outcome;
    }

    private static XunitException Failed(string parser, string name, byte[] input, string problem, Exception? inner)
    {
        var path = Path.Combine(Path.GetTempPath(), $"tessera-{parser}-{Guid.NewGuid():N}");
        File.WriteAllBytes(path, input);
        return new XunitException(
            $"{parser}, {name}: {problem} (the input was kept as {path}; it belongs under tests/regressions/{parser})",
            inner
        );
    }

    private static byte[] Mutate(byte[] good, Random random)
    {
        var bytes = good.ToArray();
        for (var n = random.Next(1, 5); n > 0 && bytes.Length > 0; n--)
        {
            var position = random.Next(bytes.Length);
            switch (random.Next(9))
            {
                case 0:
                    bytes[position] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[position] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes[position] = random.Next(2) == 0 ? (byte)0xFF : (byte)0;
                    break;
                case 3:
                    bytes = bytes[..position];
                    break;
                case 4:
                    bytes = [.. bytes[..position], .. bytes[random.Next(bytes.Length)..]];
                    break;
                // Headers are where the interesting bytes are.
                case 5:
                    bytes[random.Next(Math.Min(32, bytes.Length))] = (byte)random.Next(256);
                    break;
                case 6:
                    var (from, length) = (random.Next(bytes.Length), random.Next(16));
                    bytes
                        .AsSpan(from, Math.Min(length, Math.Min(bytes.Length - from, bytes.Length - position)))
                        .ToArray()
                        .CopyTo(bytes, position);
                    break;
                case 7:
                    // Numbers that overflow, in either order of bytes.
                    var number = BitConverter.GetBytes(
                        random.Next(4) switch
                        {
                            0 => long.MaxValue,
                            1 => -1L,
                            2 => int.MaxValue,
                            _ => 1L << random.Next(64),
                        }
                    );
                    if (random.Next(2) == 0)
                        Array.Reverse(number);
                    number.AsSpan(0, Math.Min(1 << random.Next(4), bytes.Length - position)).CopyTo(bytes.AsSpan(position));
                    break;
                default:
                    bytes = [.. bytes[..position], (byte)random.Next(256), .. bytes[position..]];
                    break;
            }
        }
        return bytes;
    }

    private static string[] Regressions(string parser) =>
        Repository.Tests("regressions", parser) is var found && Directory.Exists(found)
            ? [.. Directory.GetFiles(found).Order(StringComparer.Ordinal)]
            : [];

    // Linux keeps the largest resident size of a process, and forgets it when told to.
    private static void ResetPeak()
    {
        if (File.Exists("/proc/self/clear_refs"))
            File.WriteAllText("/proc/self/clear_refs", "5");
    }

    private static void Write(string parser, Figures figures, TimeSpan time)
    {
        const string status = "/proc/self/status";
        var peak = File.Exists(status)
            ? long.Parse(
                File.ReadLines(status)
                    .First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
                    .Split(':')[1]
                    .Replace("kB", "", StringComparison.Ordinal),
                CultureInfo.InvariantCulture
            ) * 1024
            : 0;
        Assert.True(peak < LargestProcess, $"{parser}: the process grew to {peak} bytes");
        if (Environment.GetEnvironmentVariable("TESSERA_MUTATION_FIGURES") is not { Length: > 0 } file)
            return;
        if (!File.Exists(file))
            File.WriteAllText(file, "parser,files,values,typed_errors,seconds,slowest_ms,largest_allocation_kib,peak_process_mib\n");
        File.AppendAllText(
            file,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{parser},{figures.Values + figures.Errors},{figures.Values},{figures.Errors},{time.TotalSeconds:0},"
                    + $"{figures.Slowest * 1e3:0.0},{figures.Largest / 1024.0:0},{peak / (1 << 20)}\n"
            )
        );
    }
}
