using System.Runtime.InteropServices;

namespace Tessera.Checkpoints;

/// <summary>The machine's stack: nothing below the topmost mark can be reached before the mark is taken.</summary>
internal sealed class PickleStack(int maxValues, int maxMarks)
{
    readonly List<object?> values = [];
    readonly Stack<int> marks = new();
    int pushed;

    int Fence => marks.Count > 0 ? marks.Peek() : 0;

    /// <summary>Whether exactly one value and no mark is left.</summary>
    public bool HoldsResult => values.Count == 1 && marks.Count == 0;

    public void Push(object? value, in PickleCursor at)
    {
        if (++pushed > maxValues)
            throw at.Refused($"it pushes more than {maxValues} values");
        values.Add(value);
    }

    public void Mark(in PickleCursor at)
    {
        if (marks.Count == maxMarks)
            throw at.Refused($"marks are nested more than {maxMarks} deep");
        marks.Push(values.Count);
    }

    public object? Peek(in PickleCursor at) =>
        values.Count > Fence ? values[^1] : throw at.Corrupt("an instruction needs a value, and there is none");

    public object? Pop(in PickleCursor at)
    {
        var value = Peek(at);
        values.RemoveAt(values.Count - 1);
        return value;
    }

    /// <summary>Replaces the topmost value.</summary>
    public void ReplaceTop(object? value) => values[^1] = value;

    /// <summary>Takes the topmost mark and everything above it.</summary>
    public object?[] PopToMark(in PickleCursor at)
    {
        if (marks.Count == 0)
            throw at.Corrupt("an instruction needs a mark, and there is none");
        var from = marks.Pop();
        var taken = CollectionsMarshal.AsSpan(values)[from..].ToArray();
        values.RemoveRange(from, taken.Length);
        return taken;
    }

    /// <summary>Takes the topmost <paramref name="count"/> values.</summary>
    public object?[] Pop(int count, in PickleCursor at)
    {
        if (values.Count - Fence < count)
            throw at.Corrupt($"an instruction needs {count} values, and there are {values.Count - Fence}");
        var from = values.Count - count;
        var taken = CollectionsMarshal.AsSpan(values)[from..].ToArray();
        values.RemoveRange(from, count);
        return taken;
    }
}
