using System.Globalization;
using Tessera.Data;

namespace Tessera.Training.Tasks;

/// <summary>Colours of classes as the facts of a bundle hold them: <c>#rrggbb</c> each.</summary>
internal static class ClassPalette
{
    /// <summary>The colours of Pascal VOC for classes that follow each other.</summary>
    /// <param name="count">Number of classes.</param>
    /// <param name="first">Number of the first colour; 1 leaves out black, which is the background's.</param>
    internal static IReadOnlyList<string> Of(int count, int first = 0) => [.. LabelPalette.Of(count, first).Select(Text)];

    /// <summary>A colour as text.</summary>
    internal static string Text((byte R, byte G, byte B) color) =>
        string.Create(CultureInfo.InvariantCulture, $"#{color.R:x2}{color.G:x2}{color.B:x2}");

    /// <summary>The colours of a palette that was checked.</summary>
    internal static IReadOnlyList<(byte R, byte G, byte B)> Colors(IReadOnlyList<string> palette) =>
        [.. palette.Select(text => Parse(text)!.Value)];

    /// <summary>A palette with a colour for each class.</summary>
    /// <exception cref="ArgumentException">There is not one for every class, or one is no colour.</exception>
    internal static IReadOnlyList<string> Check(IReadOnlyList<string>? palette, IReadOnlyList<string>? classes)
    {
        if (palette is null || palette.Count != classes?.Count)
            throw new ArgumentException(
                $"the palette must have a colour for each of {classes?.Count ?? 0} classes, not {palette?.Count ?? 0}"
            );
        return palette.FirstOrDefault(text => Parse(text) is null) is { } wrong
            ? throw new ArgumentException($"the palette holds '{wrong}': a colour must be #rrggbb")
            : palette;
    }

    private static (byte R, byte G, byte B)? Parse(string text) =>
        text is ['#', _, _, _, _, _, _]
        && uint.TryParse(text.AsSpan(1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
            ? ((byte)(number >> 16), (byte)(number >> 8), (byte)number)
            : null;
}
