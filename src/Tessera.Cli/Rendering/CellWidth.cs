using System.Globalization;
using System.Text;
using Wcwidth;

namespace Tessera.Cli.Rendering;

/// <summary>How many columns of a terminal a text takes.</summary>
internal static class CellWidth
{
    // Behind a sign that could be a text or a picture: the picture, which is wide.
    private const char AsPicture = '\ufe0f';

    /// <summary>East Asian signs and emoji take two columns; marks on letters and what is joined to a sign take none.</summary>
    internal static int Of(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text.Length;
        var width = 0;
        var parts = StringInfo.GetTextElementEnumerator(text);
        while (parts.MoveNext())
        {
            var part = parts.GetTextElement();
            var own = part.EnumerateRunes().Max(rune => Math.Max(0, UnicodeCalculator.GetWidth(rune)));
            width += part.Contains(AsPicture, StringComparison.Ordinal) || IsFlag(part) ? 2 : own;
        }
        return width;
    }

    // Two letters of regions are one flag.
    private static bool IsFlag(string part) => part.EnumerateRunes().Count(rune => rune.Value is >= 0x1F1E6 and <= 0x1F1FF) == 2;
}
