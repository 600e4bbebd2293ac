using System.Globalization;

namespace Tessera.Cli.Inputs;

/// <summary>Sizes as people write them: <c>2GB</c>, <c>500 MiB</c>.</summary>
internal static class ByteSize
{
    private static readonly (string Unit, long Bytes)[] units =
    [
        ("KiB", 1L << 10),
        ("MiB", 1L << 20),
        ("GiB", 1L << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
        ("", 1),
    ];

    /// <summary>The bytes; null where the text is no size of at least one byte.</summary>
    internal static long? Parse(string text)
    {
        var (unit, bytes) = units.First(entry => text.EndsWith(entry.Unit, StringComparison.OrdinalIgnoreCase));
        return
            decimal.TryParse(text[..^unit.Length].TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * bytes is >= 1 and <= long.MaxValue
            ? (long)(number * bytes)
            : null;
    }
}
