namespace Tessera.Training.Drawing;

/// <summary>Pieces of SVG that several charts draw.</summary>
internal static class Svg
{
    /// <summary>The <c>d</c> attribute of a path that joins points by straight lines.</summary>
    internal static string Polyline(IEnumerable<(double X, double Y)> points) =>
        string.Join(' ', points.Select((point, i) => $"{(i == 0 ? "M" : "L")}{Html.At(point.X)},{Html.At(point.Y)}"));

    /// <summary>Elements, one a line.</summary>
    internal static string Lines<T>(IEnumerable<T> items, Func<T, string> element) => string.Join('\n', items.Select(element));
}
