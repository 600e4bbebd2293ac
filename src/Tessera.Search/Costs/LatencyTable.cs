using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Training;
using Tessera.Training.Runs;

namespace Tessera.Search.Costs;

/// <summary>
/// Times of the parts of a space's networks on a machine, as ratios to a reference that ran in turns with them, so that a clock that goes
/// up and down cancels. <see cref="LatencyModel"/> predicts the time of a network from it.
/// </summary>
public sealed record LatencyTable
{
    private const string OwnFormat = "tessera-latency";
    private const int OwnVersion = 1;

    private static readonly JsonSerializerOptions json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Says what the file is.</summary>
    public string Format { get; init; } = OwnFormat;

    /// <summary>Version of the format.</summary>
    public int Version { get; init; } = OwnVersion;

    /// <summary>The machine that was measured.</summary>
    public required LatencyMachine Machine { get; init; }

    /// <summary>In which way networks ran.</summary>
    public required LatencySettings Settings { get; init; }

    /// <summary>The space: the search method with its settings, classes and size of images, in one line.</summary>
    public required string Space { get; init; }

    /// <summary>Version of Tessera.</summary>
    public required string Tessera { get; init; }

    /// <summary>Day of the measurement.</summary>
    public required string Date { get; init; }

    /// <summary>Parts that are to be measured in all.</summary>
    public required int Planned { get; init; }

    /// <summary>The part that a network of the reference is made of.</summary>
    public required string Reference { get; init; }

    /// <summary>Milliseconds of the reference: the median over all of its runs; null until the measurement is complete.</summary>
    public double? ReferenceMs { get; init; }

    /// <summary>
    /// What sums of parts are multiplied by to give the time of whole networks, as some that were measured whole show; null until the
    /// measurement is complete.
    /// </summary>
    public double? Scale { get; init; }

    /// <summary>The parts that were measured.</summary>
    public IReadOnlyList<LatencyEntry> Entries { get; init; } = [];

    /// <summary>Whether all that was planned is measured.</summary>
    [JsonIgnore]
    public bool IsComplete => ReferenceMs is not null && Scale is not null && Entries.Count == Planned;

    /// <summary>Reads a table of this machine.</summary>
    /// <param name="path">The file.</param>
    /// <param name="threads">Threads that networks will run on; null for those of the table.</param>
    /// <exception cref="RunException">It is none, is not complete, or belongs to another machine or other threads.</exception>
    public static LatencyTable Load(string path, int? threads = null) => Load(path, LatencyMachine.Here, threads);

    internal static LatencyTable Load(string path, LatencyMachine here, int? threads = null)
    {
        var table = Read(path);
        if (table.Machine.Difference(here) is { } difference)
            throw new RunException($"{path} was measured on another machine: {difference}. Measure here with tessera search measure");
        if (threads is { } wanted && wanted != table.Settings.Threads)
            throw new RunException(
                $"{path} was measured with {table.Settings.Threads} threads, not {wanted}: measure with --threads {wanted}"
            );
        return table.IsComplete
            ? table
            : throw new RunException(
                $"{path} is not complete, {table.Entries.Count} of {table.Planned} parts are measured: the same command of tessera search "
                    + "measure goes on with it"
            );
    }

    /// <summary>Reads a table of any machine, also one that is not complete.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="RunException">It is none.</exception>
    public static LatencyTable Read(string path)
    {
        LatencyTable? table;
        try
        {
            table = JsonSerializer.Deserialize<LatencyTable>(File.ReadAllBytes(path), json);
        }
        catch (Exception error)
            when (error is JsonException or IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new RunException($"{path}: it cannot be read as a table of latencies: {error.Message}");
        }
        if (table is null || table.Format != OwnFormat)
            throw new RunException($"{path}: it is no table of latencies, which tessera search measure writes");
        if (table.Version != OwnVersion)
            throw new RunException($"{path}: it has version {table.Version} of tables of latencies, and must have {OwnVersion}");
        return table.Fault() is { } fault ? throw new RunException($"{path}: {fault}") : table;
    }

    /// <summary>Writes it whole or not at all.</summary>
    /// <param name="path">The file.</param>
    public void Save(string path) => RunFolder.Write(Path.GetFullPath(path), JsonSerializer.Serialize(this, json) + "\n");

    // What no measurement gives.
    private string? Fault()
    {
        if (ReferenceMs is <= 0 || Scale is <= 0)
            return "reference_ms and scale must be above 0";
        if (Settings.Threads < 1 || Settings.Batch < 1)
            return "settings.threads and settings.batch must be at least 1";
        if (Planned < Entries.Count)
            return $"planned is {Planned}, but there are {Entries.Count} entries";
        var seen = new HashSet<BlockShape>();
        var firsts = new Dictionary<string, BlockShape>();
        foreach (var (i, entry) in Entries.Index())
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"entries[{i}]");
            if (entry is null || entry.Shape is not { Kind: not null, Sizes: not null, Work: not null } shape)
                return $"{place} must have a shape with kind, sizes and work";
            if (!(entry.Ratio > 0) || !double.IsFinite(entry.Ratio))
                return $"{place}.ratio must be above 0";
            if (!seen.Add(shape))
                return $"{place} measures {shape} a second time";
            if (shape.Sizes.Values.Any(size => !(size > 0) || !double.IsFinite(size)))
                return $"{place}.shape.sizes must be above 0";
            if (shape.Work.Values.Any(work => !(work >= 0) || !double.IsFinite(work)))
                return $"{place}.shape.work must be at least 0";
            if (!firsts.TryGetValue(shape.Kind, out var first))
                firsts[shape.Kind] = shape;
            else if (!first.Sizes.Keys.SequenceEqual(shape.Sizes.Keys) || !first.Work.Keys.SequenceEqual(shape.Work.Keys))
                return $"{place} must have the sizes and the work of the other parts of kind {shape.Kind}, by the same names";
        }
        return null;
    }
}
