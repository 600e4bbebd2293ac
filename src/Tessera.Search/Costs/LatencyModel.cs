using Tessera.Training;

namespace Tessera.Search.Costs;

/// <summary>Predicts the time of a network from a table: the sum of the times of its parts.</summary>
public sealed class LatencyModel
{
    private readonly LatencyTable table;
    private readonly Dictionary<string, KindLatency> kinds;

    /// <summary>Learns from what is measured.</summary>
    /// <param name="table">The measurements.</param>
    public LatencyModel(LatencyTable table)
    {
        this.table = table;
        kinds = table
            .Entries.GroupBy(entry => entry.Shape.Kind)
            .ToDictionary(group => group.Key, group => new KindLatency([.. group]), StringComparer.Ordinal);
    }

    /// <summary>
    /// Relative errors of the measured parts, each as all others of its kind predict it; kinds with too few parts to tell are left out.
    /// </summary>
    public IReadOnlyList<double> HeldOutErrors => [.. kinds.Values.SelectMany(kind => kind.HeldOut)];

    /// <summary>The sum of the times of parts, as a ratio to the reference.</summary>
    /// <param name="parts">All parts of a network.</param>
    /// <exception cref="RunException">The table has no parts of this kind, or none of about these sizes.</exception>
    public double RatioOf(IEnumerable<BlockShape> parts) =>
        parts.Sum(part =>
            kinds.TryGetValue(part.Kind, out var kind)
                ? kind.Predict(part)
                : throw new RunException($"the table of latencies has no {part.Kind}: it is that of another space, {table.Space}")
        );

    /// <summary>Predicted milliseconds of a batch.</summary>
    /// <param name="parts">All parts of a network.</param>
    /// <exception cref="RunException">The table has no parts of this kind, or none of about these sizes; or it is not complete.</exception>
    public double Milliseconds(IEnumerable<BlockShape> parts) =>
        table is { ReferenceMs: { } reference, Scale: { } scale }
            ? reference * scale * RatioOf(parts)
            : throw new RunException("the table of latencies is not complete: tessera search measure goes on with it");
}
