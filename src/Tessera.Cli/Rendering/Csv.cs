using System.Globalization;
using System.Text;

namespace Tessera.Cli.Rendering;

/// <summary>Tables as RFC 4180 has them.</summary>
internal static class Csv
{
    /// <summary>A head and rows; numbers as programs read them.</summary>
    internal static string Write(IEnumerable<string> head, IEnumerable<IEnumerable<object?>> rows)
    {
        var text = new StringBuilder();
        foreach (var row in rows.Prepend(head))
            text.AppendJoin(',', row.Select(Cell)).Append("\r\n");
        return text.ToString();
    }

    private static string Cell(object? value)
    {
        var text = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        return text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }
}
