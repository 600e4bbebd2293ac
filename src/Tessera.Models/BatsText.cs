using System.Globalization;

namespace Tessera.Models;

/// <summary>
/// Cells of BATS as text: two choices for every node, each an operation and its input, as in
/// <c>sep_conv_3x3:0 skip_connect:1</c>; an architecture is its normal and its reduction cell with <c>|</c> between them.
/// </summary>
public static class BatsText
{
    private const string Between = " | ";

    /// <summary>A cell as text.</summary>
    /// <param name="cell">Its choices.</param>
    public static string Write(IReadOnlyList<BatsChoice> cell) =>
        string.Join(' ', cell.Select(choice => string.Create(CultureInfo.InvariantCulture, $"{choice.Operation}:{choice.Input}")));

    /// <summary>An architecture as text.</summary>
    /// <param name="cells">Normal and reduction cell, which put out all of their nodes.</param>
    public static string Write(Bats.Genotype cells) => Write(cells.Normal) + Between + Write(cells.Reduce);

    /// <summary>The choices of a cell.</summary>
    /// <param name="cell">As <see cref="Write(IReadOnlyList{BatsChoice})"/> gives it.</param>
    /// <exception cref="FormatException">It is no cell; the message says which choice is wrong.</exception>
    public static IReadOnlyList<BatsChoice> Read(string cell)
    {
        BatsChoice[] choices = [.. cell.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(Choice)];
        return choices.Length > 0 && choices.Length % 2 == 0
            ? choices
            : throw new FormatException(
                $"a cell must have two choices for each node, as in sep_conv_3x3:0 skip_connect:1, not {choices.Length}"
            );
    }

    /// <summary>An architecture whose cells put out all of their nodes.</summary>
    /// <param name="cells">As <see cref="Write(Bats.Genotype)"/> gives it.</param>
    /// <exception cref="FormatException">It is none; the message says what is wrong.</exception>
    public static Bats.Genotype ReadGenotype(string cells) =>
        cells.Split('|') is [var normal, var reduce]
            ? Genotype(Read(normal), Read(reduce))
            : throw new FormatException($"'{cells}' must be a normal and a reduction cell with | between them");

    /// <summary>An architecture whose cells put out all of their nodes.</summary>
    internal static Bats.Genotype Genotype(IReadOnlyList<BatsChoice> normal, IReadOnlyList<BatsChoice> reduce) =>
        new(normal, Nodes(normal), reduce, Nodes(reduce));

    /// <summary>Numbers of the states that are nodes of a cell.</summary>
    internal static IReadOnlyList<int> Nodes(IReadOnlyList<BatsChoice> cell) => [.. Enumerable.Range(2, cell.Count / 2)];

    private static BatsChoice Choice(string text, int place)
    {
        if (
            text.Split(':') is not [var operation, var number]
            || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var input)
        )
            throw new FormatException($"'{text}' must be an operation and its input, as in sep_conv_3x3:0");
        if (!BatsOperations.All.Contains(operation))
            throw new FormatException($"'{text}': there is no operation {operation}; there are {string.Join(", ", BatsOperations.All)}");
        var last = place / 2 + 1;
        return input <= last
            ? new(operation, input)
            : throw new FormatException(
                $"'{text}': choice {place + 1} belongs to node {place / 2 + 1}, whose inputs are 0 to "
                    + last.ToString(CultureInfo.InvariantCulture)
            );
    }
}
