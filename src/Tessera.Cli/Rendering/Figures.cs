using System.Globalization;

namespace Tessera.Cli.Rendering;

/// <summary>Numbers as people read them.</summary>
internal static class Figures
{
    /// <summary>Stands for a missing figure.</summary>
    internal const string None = "-";

    /// <summary>With three digits and a unit: <c>3.76 M</c>.</summary>
    internal static string Large(double value) =>
        value switch
        {
            >= 1e12 => Digits(value / 1e12) + " T",
            >= 1e9 => Digits(value / 1e9) + " G",
            >= 1e6 => Digits(value / 1e6) + " M",
            >= 1e3 => Digits(value / 1e3) + " k",
            _ => value.ToString("0", CultureInfo.InvariantCulture),
        };

    /// <summary>Bytes with a binary unit.</summary>
    internal static string Bytes(double value) =>
        value switch
        {
            >= 1L << 30 => Digits(value / (1L << 30)) + " GiB",
            >= 1L << 20 => Digits(value / (1L << 20)) + " MiB",
            >= 1 << 10 => Digits(value / 1024) + " KiB",
            _ => value.ToString("0", CultureInfo.InvariantCulture) + " B",
        };

    /// <summary>A fraction as percent.</summary>
    internal static string Percent(double fraction) => string.Create(CultureInfo.InvariantCulture, $"{100 * fraction:0.00} %");

    /// <summary><c>41 s</c>, <c>4:07</c> in minutes, <c>2:04:07</c> in hours.</summary>
    internal static string Time(TimeSpan time) =>
        time.TotalSeconds < 59.5 ? string.Create(CultureInfo.InvariantCulture, $"{Math.Round(time.TotalSeconds)} s")
        : time.TotalHours < 1 ? time.ToString(@"m\:ss", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}:{time:mm\\:ss}");

    /// <summary>Arithmetic a second and its share of the machine's peak.</summary>
    internal static string Speed(Tessera.Training.Loop.Arithmetic cost, double samplesPerSecond) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{cost.Gflops(samplesPerSecond):0} GFLOP/s{(cost.Share(samplesPerSecond) is { } share ? $" ({100 * share:0} % of peak)" : "")}"
        );

    /// <summary>A loss: four significant digits.</summary>
    internal static string Loss(double loss) =>
        double.IsFinite(loss)
            ? loss.ToString(loss < 10 ? "0.0000" : "0.00", CultureInfo.InvariantCulture)
            : loss.ToString(CultureInfo.InvariantCulture);

    /// <summary>A learning rate.</summary>
    internal static string Rate(double rate) => rate.ToString("0.00e+00", CultureInfo.InvariantCulture);

    private static string Digits(double value) =>
        value.ToString(
            value < 10 ? "0.00"
                : value < 100 ? "0.0"
                : "0",
            CultureInfo.InvariantCulture
        );
}
