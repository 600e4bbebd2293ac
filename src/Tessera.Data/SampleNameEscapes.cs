using System.Globalization;
using System.Text;

namespace Tessera.Data;

/// <summary>
/// Names of samples as lines of text that read back to the same: files may have any character in their names, line breaks too, and a file
/// of text holds no halves of surrogate pairs.
/// </summary>
internal static class SampleNameEscapes
{
    private const char Begin = '\\';

    /// <summary>The line of a list that says that its names are escaped.</summary>
    public const string Notice = @"# Names are escaped: \\ stands for a backslash, \n \r \t for control characters, \uXXXX for others.";

    /// <summary>Whether a name does not read back as it is.</summary>
    public static bool Needed(string name) => Escape(name) != name;

    /// <summary>The name as a part of a line.</summary>
    public static string Escape(string name)
    {
        var text = new StringBuilder(name.Length);
        for (var i = 0; i < name.Length; i++)
        {
            var c = name[i];
            if (char.IsHighSurrogate(c) && i + 1 < name.Length && char.IsLowSurrogate(name[i + 1]))
            {
                text.Append(c).Append(name[++i]);
                continue;
            }
            // Lines are trimmed when they are read, and a sharp at the beginning makes a comment.
            var isAtEdge = i == 0 || i == name.Length - 1;
            text.Append(
                c switch
                {
                    Begin => @"\\",
                    '\n' => @"\n",
                    '\r' => @"\r",
                    '\t' => @"\t",
                    _ when char.IsControl(c)
                            || char.IsSurrogate(c)
                            || c is '\u2028' or '\u2029' or '\uFEFF'
                            || (isAtEdge && char.IsWhiteSpace(c))
                            || (i == 0 && c == '#') => string.Create(CultureInfo.InvariantCulture, $@"\u{(int)c:X4}"),
                    _ => c.ToString(),
                }
            );
        }
        return text.ToString();
    }

    /// <summary>The name that was escaped; null where a backslash begins no escape.</summary>
    public static string? Read(string escaped)
    {
        var name = new StringBuilder(escaped.Length);
        for (var i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] != Begin)
            {
                name.Append(escaped[i]);
                continue;
            }
            switch (++i < escaped.Length ? escaped[i] : ' ')
            {
                case Begin:
                    name.Append(Begin);
                    break;
                case 'n':
                    name.Append('\n');
                    break;
                case 'r':
                    name.Append('\r');
                    break;
                case 't':
                    name.Append('\t');
                    break;
                case 'u' when Code(escaped, i + 1) is { } code:
                    name.Append((char)code);
                    i += 4;
                    break;
                default:
                    return null;
            }
        }
        return name.ToString();
    }

    private static ushort? Code(string text, int start) =>
        start + 4 <= text.Length
        && ushort.TryParse(text.AsSpan(start, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            ? code
            : null;
}
