using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>The values that the oldest pickle protocol, 0, writes as lines of text.</summary>
internal static class PickleText
{
    public const int LongestLine = 1 << 20;
    const int LongestNumber = 1 << 14;

    /// <summary>The line of an integer: <c>00</c> and <c>01</c> are false and true, and Python 2 ended long ones in an L.</summary>
    public static object Integer(ref PickleCursor at)
    {
        var line = at.RawLine(LongestNumber + 2);
        if (line is [(byte)'0', (byte)'0' or (byte)'1'])
            return line[1] == '1';
        return BigInteger.TryParse(
            Encoding.Latin1.GetString(line).TrimEnd('L'),
            NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture,
            out var value
        )
            ? Fitting(value)
            : throw at.Corrupt("an integer must be decimal digits");
    }

    /// <summary>A long, or the integer itself where it does not fit.</summary>
    public static object Fitting(BigInteger value) => value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;

    /// <summary>The line of a float.</summary>
    public static double Float(ref PickleCursor at)
    {
        var text = at.Line();
        return text switch
        {
            "nan" or "-nan" => double.NaN,
            "inf" => double.PositiveInfinity,
            "-inf" => double.NegativeInfinity,
            _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                ? value
                : throw at.Corrupt("a float must be a decimal number"),
        };
    }

    /// <summary>The number of a place in the memo.</summary>
    public static uint Index(ref PickleCursor at) =>
        uint.TryParse(at.Line(), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? index
            : throw at.Corrupt("a memo index must be a number");

    /// <summary>The line of a string of Python 2 with its quotes and escapes; bytes count as Latin-1.</summary>
    public static string Quoted(ref PickleCursor at)
    {
        var line = Encoding.Latin1.GetString(at.RawLine(LongestLine)).AsSpan().Trim();
        if (line.Length < 2 || line[0] != line[^1] || line[0] is not ('\'' or '"'))
            throw at.Corrupt("a string must be in quotes");
        return Unescaped(line[1..^1], unicode: false, at);
    }

    /// <summary>The line of a text, in which only <c>\u</c> and <c>\U</c> are escapes.</summary>
    public static string Unicode(ref PickleCursor at) => Unescaped(Encoding.Latin1.GetString(at.RawLine(LongestLine)), unicode: true, at);

    static string Unescaped(ReadOnlySpan<char> text, bool unicode, in PickleCursor at)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }
            var kind = text[i + 1];
            if (unicode ? kind is 'u' or 'U' : kind == 'x')
            {
                var digits = kind switch
                {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                if (
                    i + 2 + digits > text.Length
                    || !int.TryParse(text.Slice(i + 2, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
                    || code is < 0 or > 0x10ffff
                )
                    throw at.Corrupt("an escape in a string must be hexadecimal digits");
                if (code > char.MaxValue)
                    result.Append(char.ConvertFromUtf32(code));
                else
                    result.Append((char)code);
                i += 1 + digits;
                continue;
            }
            if (unicode)
            {
                result.Append('\\');
                continue;
            }
            result.Append(
                kind switch
                {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'a' => '\a',
                    'b' => '\b',
                    'f' => '\f',
                    'v' => '\v',
                    '0' => '\0',
                    '\\' or '\'' or '"' => kind,
                    _ => throw at.Corrupt($"a string holds the unknown escape \\{kind}"),
                }
            );
            i++;
        }
        return result.ToString();
    }
}
