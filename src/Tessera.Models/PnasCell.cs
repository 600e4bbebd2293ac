using System.Globalization;

namespace Tessera.Models;

/// <summary>
/// A cell of PNAS by its blocks (Liu et al., 2018, arXiv:1712.00559, section 3.1): what names a network of the search space. As a text it
/// is <c>0-1-0-3_1-2-7-5</c>: blocks of input, input, operation, operation.
/// </summary>
public sealed class PnasCell : IEquatable<PnasCell>, IComparable<PnasCell>
{
    private const char BetweenBlocks = '_',
        BetweenNumbers = '-';

    private readonly PnasBlock[] blocks;

    /// <summary>A cell of these blocks in their order.</summary>
    /// <param name="blocks">At least one.</param>
    /// <exception cref="FormatException">There is no block, or one has an input or an operation that there is not.</exception>
    public PnasCell(params IEnumerable<PnasBlock> blocks)
    {
        this.blocks = [.. blocks];
        if (this.blocks.Length == 0)
            throw new FormatException("a cell must have at least 1 block");
        foreach (var (i, block) in this.blocks.Index())
        {
            // The outputs of two cells, and of the blocks so far.
            Check(i, "input", [block.Input1, block.Input2], i + 1);
            Check(i, "operation", [block.Operation1, block.Operation2], PnasOperations.Count - 1);
        }
    }

    /// <summary>The cell of PNASNet-5, which the authors' search has found (figure 1).</summary>
    public static PnasCell Published { get; } = new([new(0, 0, 1, 6), new(1, 1, 2, 6), new(1, 1, 1, 0), new(4, 1, 0, 6), new(0, 1, 0, 4)]);

    /// <summary>The blocks in their order.</summary>
    public IReadOnlyList<PnasBlock> Blocks => blocks;

    private static void Check(int block, string what, int[] numbers, int most)
    {
        foreach (var number in numbers)
            if (number < 0 || number > most)
                throw new FormatException($"block {block} of a cell: an {what} must be from 0 to {most}, not {number}");
    }

    /// <summary>A cell by four numbers of each block: input, input, operation, operation.</summary>
    /// <param name="blocks">The blocks.</param>
    /// <exception cref="FormatException">A block has not four numbers, or one that there is not.</exception>
    public static PnasCell Of(IReadOnlyList<IReadOnlyList<int>> blocks) =>
        new(
            blocks.Select(
                (block, i) =>
                    block is [var input1, var input2, var operation1, var operation2]
                        ? new PnasBlock(input1, input2, operation1, operation2)
                        : throw new FormatException(
                            $"block {i} of a cell must have 4 numbers (input, input, operation, operation), not {block.Count}"
                        )
            )
        );

    /// <summary>A cell by its text.</summary>
    /// <param name="text">As <see cref="ToString"/> writes it.</param>
    /// <exception cref="FormatException">It is no cell.</exception>
    public static PnasCell Parse(string text) =>
        Of([.. text.Split(BetweenBlocks).Select((block, i) => (IReadOnlyList<int>)[.. block.Split(BetweenNumbers).Select(Number(i))])]);

    private static Func<string, int> Number(int block) =>
        text =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw new FormatException(
                    $"block {block} of a cell must be input-input-operation-operation with whole numbers from 0, as in 0-1-0-3, "
                        + $"and '{text}' is none"
                );

    /// <summary>The same cell with the two parts of every block in canonical order. The order of the blocks stays.</summary>
    public PnasCell Canonical() => new(blocks.Select(block => block.Canonical()));

    /// <summary>The cell with one block more.</summary>
    /// <param name="block">The block.</param>
    /// <exception cref="FormatException">It has an input that there is not.</exception>
    public PnasCell With(PnasBlock block) => new([.. blocks, block]);

    /// <summary>Order by the first block that differs; a cell comes before one that goes on where it ends.</summary>
    public int CompareTo(PnasCell? other) => other is null ? 1 : blocks.AsSpan().SequenceCompareTo(other.blocks);

    /// <inheritdoc/>
    public bool Equals(PnasCell? other) => other is not null && blocks.AsSpan().SequenceEqual(other.blocks);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PnasCell);

    /// <inheritdoc/>
    public override int GetHashCode() => blocks.Aggregate(0, HashCode.Combine);

    /// <summary>Whether two cells have the same blocks.</summary>
    public static bool operator ==(PnasCell? left, PnasCell? right) => Equals(left, right);

    /// <summary>Whether two cells differ.</summary>
    public static bool operator !=(PnasCell? left, PnasCell? right) => !Equals(left, right);

    /// <summary>Whether a cell comes before another one.</summary>
    public static bool operator <(PnasCell left, PnasCell right) => left.CompareTo(right) < 0;

    /// <summary>Whether a cell comes after another one.</summary>
    public static bool operator >(PnasCell left, PnasCell right) => left.CompareTo(right) > 0;

    /// <summary>Whether a cell comes before another one or is equal to it.</summary>
    public static bool operator <=(PnasCell left, PnasCell right) => left.CompareTo(right) <= 0;

    /// <summary>Whether a cell comes after another one or is equal to it.</summary>
    public static bool operator >=(PnasCell left, PnasCell right) => left.CompareTo(right) >= 0;

    /// <summary>Its blocks: <c>0-1-0-3_1-2-7-5</c>.</summary>
    public override string ToString() => string.Join(BetweenBlocks, blocks);
}
