using System.Globalization;

namespace Tessera.Search.Results;

/// <summary>One of the costs of a network, for tables and pictures.</summary>
/// <param name="Title">Its name for people.</param>
/// <param name="Of">Its value; null where it is not known.</param>
/// <param name="Text">Writes a value.</param>
internal sealed record CostFigure(string Title, Func<CandidateCost, double?> Of, Func<double, string> Text)
{
    /// <summary>All costs, in the order of tables.</summary>
    internal static IReadOnlyList<CostFigure> All { get; } =
    [
        new("MACs", cost => cost.Macs, Large),
        new("parameters", cost => cost.Parameters, Large),
        new("published cost", cost => cost.Published, Large),
        new("latency in ms", cost => cost.LatencyMs, value => value.ToString("G4", CultureInfo.InvariantCulture)),
    ];

    private static string Large(double value) =>
        value switch
        {
            >= 1e9 => Digits(value / 1e9) + " G",
            >= 1e6 => Digits(value / 1e6) + " M",
            >= 1e3 => Digits(value / 1e3) + " k",
            _ => Digits(value),
        };

    private static string Digits(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
