namespace Tessera.Checkpoints;

/// <summary>
/// Values that later instructions refer back to. Writers number them in sequence, which is kept in a list; other
/// numbers, up to the limit, cost no more than what is stored.
/// </summary>
internal sealed class PickleMemo(int maxIndex)
{
    readonly List<object?> sequence = [];
    readonly Dictionary<int, object?> others = [];

    public void Append(object? value, in PickleCursor at) => Put((uint)(sequence.Count + others.Count), value, at);

    public void Put(uint index, object? value, in PickleCursor at)
    {
        if (index > maxIndex)
            throw at.Refused($"memo index {index} must be at most {maxIndex}");
        if (index < sequence.Count)
            sequence[(int)index] = value;
        else if (index == sequence.Count && !others.ContainsKey((int)index))
            sequence.Add(value);
        else
            others[(int)index] = value;
        if (value is NumpyArray array)
            array.MemoIndices.Add(index);
    }

    public object? Get(uint index, in PickleCursor at)
    {
        if (index < sequence.Count)
            return sequence[(int)index];
        return index <= maxIndex && others.TryGetValue((int)index, out var value)
            ? value
            : throw at.Corrupt($"memo index {index} has not been set");
    }

    /// <summary>Puts the finished array wherever the unfinished one was.</summary>
    public void Replace(NumpyArray array, object? finished, in PickleCursor at)
    {
        // A copy: what is not understood stays the same unfinished array, and putting that notes its index once more.
        foreach (var index in array.MemoIndices.ToArray())
            if (ReferenceEquals(Get(index, at), array))
                Put(index, finished, at);
    }
}
