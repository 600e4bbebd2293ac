namespace Tessera.Models;

/// <summary>
/// A block of a cell of PNAS: the sum of two operations on two inputs. Input 0 is the output of the cell before the last, 1 that of the
/// last cell, and 2 and further are the blocks before this one.
/// </summary>
/// <param name="Input1">Input of the first operation.</param>
/// <param name="Input2">Input of the second operation.</param>
/// <param name="Operation1">The first operation, a number in <see cref="PnasOperations.Names"/>.</param>
/// <param name="Operation2">The second operation.</param>
public readonly record struct PnasBlock(int Input1, int Input2, int Operation1, int Operation2) : IComparable<PnasBlock>
{
    // A sum does not tell its two parts apart: the smaller code comes first.
    private static int Code(int input, int operation) => input * PnasOperations.Count + operation;

    private (int First, int Second) Codes => (Code(Input1, Operation1), Code(Input2, Operation2));

    /// <summary>The same block with its two parts in the order that all blocks of this kind are compared in.</summary>
    public PnasBlock Canonical() => Codes is var (first, second) && first <= second ? this : new(Input2, Input1, Operation2, Operation1);

    /// <summary>Order by the code of the first part, then by that of the second; a code is input * 8 + operation.</summary>
    public int CompareTo(PnasBlock other) => Codes.CompareTo(other.Codes);

    /// <summary>Whether a block comes before another one.</summary>
    public static bool operator <(PnasBlock left, PnasBlock right) => left.CompareTo(right) < 0;

    /// <summary>Whether a block comes after another one.</summary>
    public static bool operator >(PnasBlock left, PnasBlock right) => left.CompareTo(right) > 0;

    /// <summary>Whether a block comes before another one or is equal to it.</summary>
    public static bool operator <=(PnasBlock left, PnasBlock right) => left.CompareTo(right) <= 0;

    /// <summary>Whether a block comes after another one or is equal to it.</summary>
    public static bool operator >=(PnasBlock left, PnasBlock right) => left.CompareTo(right) >= 0;

    /// <summary>Inputs, then operations: <c>0-1-0-3</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Input1}-{Input2}-{Operation1}-{Operation2}");
}
