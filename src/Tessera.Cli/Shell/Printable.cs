using System.Globalization;
using System.Text;

namespace Tessera.Cli.Shell;

/// <summary>
/// Text that is safe to print. Names of files and classes may hold anything: an escape sequence would change the terminal, a line break
/// would take a table apart, and a sign that turns the direction of writing would show another name.
/// </summary>
internal static class Printable
{
    /// <summary>The text as one line in which control characters are seen: <c>\x1b</c>, <c>\n</c>, <c>\u202e</c>.</summary>
    internal static string Of(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text;
        var line = new StringBuilder(text.Length + 8);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                if (IsTag(char.ConvertToUtf32(text[i], text[i + 1])))
                    line.Append(CultureInfo.InvariantCulture, $@"\U{char.ConvertToUtf32(text[i], text[i + 1]):x8}");
                else
                    line.Append(text, i, 2);
                i++;
            }
            else
                line.Append(Of(text[i]));
        }
        return line.ToString();
    }

    private static string Of(char c) =>
        c switch
        {
            '\n' => @"\n",
            '\r' => @"\r",
            '\t' => @"\t",
            _ when char.IsControl(c) => string.Create(CultureInfo.InvariantCulture, $@"\x{(int)c:x2}"),
            _ when char.IsSurrogate(c) || IsInvisible(c) => string.Create(CultureInfo.InvariantCulture, $@"\u{(int)c:x4}"),
            _ => c.ToString(),
        };

    // Signs that change the direction, end a line or show nothing; those that join letters and emoji are parts of words.
    private static bool IsInvisible(char c) =>
        c
            is '\u00ad'
                or '\u061c'
                or '\u180e'
                or '\u200b'
                or (>= '\u200e' and <= '\u200f')
                or (>= '\u2028' and <= '\u202e')
                or (>= '\u2060' and <= '\u206f')
                or '\ufeff'
                or (>= '\ufff9' and <= '\ufffb');

    // Letters that no terminal shows.
    private static bool IsTag(int rune) => rune is >= 0xE0000 and <= 0xE0FFF and not (>= 0xE0100 and <= 0xE01EF);
}
