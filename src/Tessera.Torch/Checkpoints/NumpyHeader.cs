using System.Globalization;

namespace Tessera.Checkpoints;

/// <summary>
/// The header of an .npy file, text of the form <c>{'descr': '&lt;f4', 'fortran_order': False, 'shape': (3, 4), }</c>.
/// </summary>
internal sealed record NumpyHeader(string Descr, bool FortranOrder, long[] Shape)
{
    /// <summary>Reads a header; null when it is malformed. Of records, the type is the whole list of their fields.</summary>
    public static NumpyHeader? Parse(string text)
    {
        var rest = text.AsSpan().Trim();
        if (rest is not ['{', .. var inner, '}'])
            return null;
        rest = inner.Trim();
        string? descr = null,
            fortran = null,
            shape = null;
        while (rest.Length > 0)
        {
            var key = Quoted(ref rest);
            if (key is null || rest is not [':', ..])
                return null;
            rest = rest[1..].TrimStart();
            switch (key)
            {
                case "descr" when descr is null && rest is ['[', ..]:
                    descr = Until(ref rest, ListLength(rest));
                    break;
                case "descr" when descr is null:
                    descr = Quoted(ref rest);
                    break;
                case "fortran_order" when fortran is null:
                    fortran = Until(ref rest, rest.IndexOfAny(',', ' '));
                    break;
                case "shape" when shape is null && rest is ['(', ..]:
                    shape = Until(ref rest, rest.IndexOf(')') + 1);
                    break;
                default:
                    return null;
            }
            if (rest is [',', ..])
                rest = rest[1..].TrimStart();
            else if (rest.Length > 0)
                return null;
        }
        return descr is { Length: > 1 } && fortran is "True" or "False" && Numbers(shape) is { } sizes
            ? new NumpyHeader(descr!, fortran == "True", sizes)
            : null;
    }

    /// <summary>Takes a string in quotes and the blanks behind it.</summary>
    static string? Quoted(ref ReadOnlySpan<char> rest)
    {
        if (rest is not ['\'' or '"', ..])
            return null;
        var end = rest[1..].IndexOf(rest[0]);
        if (end < 0)
            return null;
        var value = rest.Slice(1, end).ToString();
        rest = rest[(end + 2)..].TrimStart();
        return value;
    }

    /// <summary>Characters of a list in brackets, which may hold others; negative where it does not end.</summary>
    static int ListLength(ReadOnlySpan<char> rest)
    {
        var depth = 0;
        for (var i = 0; i < rest.Length; i++)
        {
            depth += rest[i] switch
            {
                '[' => 1,
                ']' => -1,
                _ => 0,
            };
            if (depth == 0)
                return i + 1;
        }
        return -1;
    }

    /// <summary>Takes what precedes <paramref name="end"/> (all, if negative) and the blanks behind it.</summary>
    static string Until(ref ReadOnlySpan<char> rest, int end)
    {
        if (end < 0)
            end = rest.Length;
        var value = rest[..end].ToString();
        rest = rest[end..].TrimStart();
        return value;
    }

    /// <summary>The sizes in a tuple; Python 2 wrote a letter L after long ones.</summary>
    static long[]? Numbers(string? tuple)
    {
        if (tuple is not ['(', .., ')'])
            return null;
        var parts = tuple[1..^1].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var numbers = new long[parts.Length];
        for (var i = 0; i < parts.Length; i++)
            if (!long.TryParse(parts[i].TrimEnd('L'), NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                return null;
        return numbers;
    }
}
