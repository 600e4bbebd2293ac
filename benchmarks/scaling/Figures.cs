using System.Globalization;

namespace Tessera.Benchmarks.Scaling;

/// <summary>What was measured with a number of processes.</summary>
/// <param name="Step">Milliseconds of a step with exchange.</param>
/// <param name="Compute">Milliseconds of the same step without.</param>
/// <param name="Exchange">Milliseconds of exchanging as much with nothing else to do.</param>
/// <param name="Megabytes">Sent by each process in a step, by the counter of the loopback device.</param>
internal sealed record Figures(double Step, double Compute, double Exchange, double Megabytes)
{
    internal const string Titles = "step ms,without exchange ms,exchange alone ms,MB sent,exchange hidden %";

    /// <summary>Share of the exchange that the backward pass hides; none where there is nothing to exchange.</summary>
    internal double? Hidden => Exchange > 0 ? Math.Clamp(1 - (Step - Compute) / Exchange, 0, 1) : null;

    internal static Figures Median(Figures[] all)
    {
        return new(Middle(f => f.Step), Middle(f => f.Compute), Middle(f => f.Exchange), Middle(f => f.Megabytes));

        double Middle(Func<Figures, double> figure) => all.Select(figure).Order().ElementAt(all.Length / 2);
    }

    internal static Figures Parse(string line) =>
        line.Split(',').Take(4).Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray()
            is [var step, var compute, var exchange, var megabytes]
            ? new(step, compute, exchange, megabytes)
            : throw new FormatException($"'{line}' is no row of figures");

    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Step:0.0},{Compute:0.0},{Exchange:0.0},{Megabytes:0.0},{(Hidden is { } share ? $"{100 * share:0}" : "-")}"
        );
}
