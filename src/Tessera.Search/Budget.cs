using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Search;

/// <summary>
/// What a network may cost: each limit is the most, or the least and the most; a limit that is left out does not bind. All must hold.
/// </summary>
/// <param name="Macs">Multiply-accumulates of one image, as <see cref="Models.Measurement.ModelCost"/> counts them.</param>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="Published">Cost by the method's own counter, in whose unit its paper states budgets.</param>
/// <param name="LatencyMs">Milliseconds of a batch on this machine, by its table (<see cref="LatencyTable"/>).</param>
/// <param name="LatencyTable">File of the table of measured blocks; needed where latency_ms is given.</param>
public sealed record Budget(
    IReadOnlyList<double>? Macs = null,
    IReadOnlyList<double>? Parameters = null,
    IReadOnlyList<double>? Published = null,
    IReadOnlyList<double>? LatencyMs = null,
    [RecipePath] string? LatencyTable = null
)
{
    /// <summary>Multiply-accumulates of one image.</summary>
    public IReadOnlyList<double>? Macs { get; init; } = Checked(Macs, "macs");

    /// <summary>Number of parameters.</summary>
    public IReadOnlyList<double>? Parameters { get; init; } = Checked(Parameters, "parameters");

    /// <summary>Cost by the method's own counter.</summary>
    public IReadOnlyList<double>? Published { get; init; } = Checked(Published, "published");

    /// <summary>Milliseconds of a batch on this machine.</summary>
    public IReadOnlyList<double>? LatencyMs { get; init; } =
        LatencyMs is { Count: > 0 } && LatencyTable is null
            ? throw new ArgumentException("latency_ms needs latency_table, which `tessera search measure` writes")
            : Checked(LatencyMs, "latency_ms");

    // One number is the most; an empty list, as the binder gives it for null, is no limit.
    private static IReadOnlyList<double>? Checked(IReadOnlyList<double>? limit, string field) =>
        limit switch
        {
            null or [] => null,
            [> 0] => [0, limit[0]],
            [>= 0, var most] when most >= limit[0] && most > 0 => limit,
            _ => throw new ArgumentException($"{field} must be the most, or the least and the most"),
        };

    /// <summary>Whether a network is within all limits.</summary>
    /// <param name="cost">Of the network.</param>
    /// <exception cref="ArgumentException">A limit is on a figure that the cost does not have.</exception>
    public bool Allows(CandidateCost cost) =>
        Within(Macs, cost.Macs, "macs")
        && Within(Parameters, cost.Parameters, "parameters")
        && Within(Published, cost.Published, "published")
        && Within(LatencyMs, cost.LatencyMs, "latency_ms");

    private static bool Within(IReadOnlyList<double>? limit, double? value, string field) =>
        limit is null
        || (
            value is { } known
                ? known >= limit[0] && known <= limit[1]
                : throw new ArgumentException($"budget.{field}: the search does not know this cost of its networks")
        );
}
