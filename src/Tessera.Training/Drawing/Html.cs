using System.Globalization;
using System.Net;

namespace Tessera.Training.Drawing;

/// <summary>Formats texts and numbers for HTML and SVG.</summary>
internal static class Html
{
    internal static string Encode(string? text) => WebUtility.HtmlEncode(text ?? "");

    /// <summary>A coordinate.</summary>
    internal static string At(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>A number with a fixed count of decimals.</summary>
    internal static string Fixed(double value, int digits) => value.ToString($"F{digits}", CultureInfo.InvariantCulture);

    internal static string Percent(double share, int digits = 2) => $"{Fixed(100 * share, digits)}\u202f%";

    internal static string Integer(long value) => value.ToString("#,0", Spaced).Replace(',', '\u202f');

    private static readonly NumberFormatInfo Spaced = new() { NumberGroupSeparator = ",", NumberGroupSizes = [3] };

    internal static string Duration(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(int)time.TotalHours} h {time.Minutes} min"
        : time.TotalMinutes >= 1 ? $"{(int)time.TotalMinutes} min {time.Seconds} s"
        : $"{Fixed(time.TotalSeconds, 1)} s";

    /// <summary>Shortens a text to the length that fits a chart.</summary>
    internal static string Short(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";
}
