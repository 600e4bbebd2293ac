namespace Tessera;

/// <summary>
/// One position of an index: a number, a range (<c>1..^1</c>, <c>..</c>), a range with a step, a tensor of indices or a mask,
/// <see cref="NewAxis"/> or <see cref="Ellipsis"/>.
/// </summary>
public readonly struct TensorIndex
{
    internal enum Kind
    {
        Number,
        Slice,
        Tensor,
        NewAxis,
        Ellipsis,
    }

    internal readonly Kind What;
    internal readonly long Start;
    internal readonly long? Stop;
    internal readonly long Step;
    internal readonly Tensor? Indices;

    private TensorIndex(Kind kind, long start = 0, long? stop = null, long step = 1, Tensor? indices = null) =>
        (What, Start, Stop, Step, Indices) = (kind, start, stop, step, indices);

    /// <summary>A new dimension of size 1.</summary>
    public static readonly TensorIndex NewAxis = new(Kind.NewAxis);

    /// <summary>All dimensions that the other positions do not name.</summary>
    public static readonly TensorIndex Ellipsis = new(Kind.Ellipsis);

    /// <summary>Every <paramref name="step"/>-th index from start to stop (excluded); negative ones count from the end.</summary>
    public static TensorIndex Slice(long start = 0, long? stop = null, long step = 1) => new(Kind.Slice, start, stop, step);

    /// <summary>One index; negative ones count from the end.</summary>
    public static implicit operator TensorIndex(long index) => new(Kind.Number, index);

    /// <summary>One index; negative ones count from the end.</summary>
    public static implicit operator TensorIndex(int index) => new(Kind.Number, index);

    /// <summary>One index, <c>^1</c> being the last.</summary>
    public static implicit operator TensorIndex(Index index) => new(Kind.Number, index.IsFromEnd ? -index.Value : index.Value);

    /// <summary>A range of indices.</summary>
    public static implicit operator TensorIndex(Range range) => new(Kind.Slice, FromEnd(range.Start) ?? long.MaxValue, FromEnd(range.End));

    /// <summary>Indices to pick, or a mask.</summary>
    public static implicit operator TensorIndex(Tensor indices) => new(Kind.Tensor, indices: indices);

    // ^0 is the end itself, which the engine knows as no end at all (or, as a start, as beyond it).
    private static long? FromEnd(Index index) =>
        !index.IsFromEnd ? index.Value
        : index.Value == 0 ? null
        : -index.Value;
}
