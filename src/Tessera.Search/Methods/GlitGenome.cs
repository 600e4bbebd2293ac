using System.Globalization;
using Tessera.Models;

namespace Tessera.Search.Methods;

/// <summary>
/// A network of GLiT's space as text: of each block the thirds of its heads that are global, <c>3 0 1</c>, and on the second level, behind
/// a slash, the number of its candidate, <c>3 0 1 / 1 4 8</c>.
/// </summary>
/// <param name="Thirds">Of each block, from 0 to 3.</param>
/// <param name="Details">Of each block, from 0 to 8; null on the first level.</param>
internal sealed record GlitGenome(IReadOnlyList<int> Thirds, IReadOnlyList<int>? Details = null)
{
    private const char Separator = '/';

    /// <summary>Reads a genome.</summary>
    /// <param name="text">The text.</param>
    /// <param name="depth">Number of blocks.</param>
    /// <exception cref="FormatException">It is none of so many blocks.</exception>
    internal static GlitGenome Parse(string text, int depth)
    {
        var parts = text.Split(Separator);
        if (parts.Length > 2)
            throw new FormatException($"'{text}' must have the thirds of the blocks, and behind a slash perhaps their details");
        return new(
            Numbers(parts[0], depth, "thirds", 3),
            parts.Length == 1 ? null : Numbers(parts[1], depth, "details", Glit.BlockOptions.DetailCount - 1)
        );
    }

    private static int[] Numbers(string text, int depth, string what, int most)
    {
        var parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != depth)
            throw new FormatException($"'{text}' must have {depth} {what}, not {parts.Length}");
        return
        [
            .. parts.Select(part =>
                int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most
                    ? number
                    : throw new FormatException($"{what} must be from 0 to {most}, not '{part}'")
            ),
        ];
    }

    /// <summary>The path through the supernet of its level.</summary>
    internal IReadOnlyList<int> Path => Details ?? Thirds;

    /// <inheritdoc/>
    public override string ToString() =>
        Details is null ? string.Join(' ', Thirds) : $"{string.Join(' ', Thirds)} {Separator} {string.Join(' ', Details)}";
}
