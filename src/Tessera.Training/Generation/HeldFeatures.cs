using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Generation;

/// <summary>
/// Some features of a set, drawn evenly from all. Which ones depends on the seed and on their numbers alone, whatever the batches and the
/// processes that they come in. Not for several threads at once.
/// </summary>
/// <param name="most">Features that are held at most.</param>
/// <param name="dimension">Numbers of a feature.</param>
/// <param name="seed">Of the draw.</param>
internal sealed class HeldFeatures(int most, int dimension, ulong seed)
{
    // Apart from the streams of Tessera.Data.
    private const int Stream = 10 << 20;

    // The largest lot first: it gives way to a smaller one.
    private readonly PriorityQueue<(long Number, float[] Row), ulong> held = new(
        Comparer<ulong>.Create((one, other) => other.CompareTo(one))
    );

    /// <summary>How many are held.</summary>
    internal int Count => held.Count;

    /// <summary>Takes in features.</summary>
    /// <param name="features">Float32 [B, D].</param>
    /// <param name="numbers">The numbers of the B samples.</param>
    internal void Add(Tensor features, ReadOnlySpan<long> numbers)
    {
        var values = features.ToArray<float>();
        for (var row = 0; row < numbers.Length; row++)
            Add(numbers[row], values.AsSpan(row * dimension, dimension));
    }

    private void Add(long number, ReadOnlySpan<float> row)
    {
        var lot = new SampleRandom(seed, 0, number, Stream).NextBits();
        if (held.Count < most)
            held.Enqueue((number, row.ToArray()), lot);
        else if (held.TryPeek(out _, out var largest) && lot < largest)
            held.DequeueEnqueue((number, row.ToArray()), lot);
    }

    /// <summary>Adds what other processes hold; all have the same afterwards.</summary>
    internal void Join(ProcessGroup group)
    {
        using var scope = new Scope();
        var own = held.UnorderedItems.Select(item => item.Element).ToArray();
        var counts = group.AllGather(Tensor.From<long>([own.Length])).ToArray<long>();
        var longest = (int)counts.Max();
        if (longest == 0)
            return;
        // All processes give tensors of the same shape: shorter ones are padded.
        var (numbers, rows) = (new long[longest], new float[longest * dimension]);
        foreach (var (place, (number, row)) in own.Index())
        {
            numbers[place] = number;
            row.CopyTo(rows, place * dimension);
        }
        var allNumbers = group.AllGather(Tensor.From(numbers)).ToArray<long>();
        var allRows = group.AllGather(Tensor.From(rows, longest, dimension)).ToArray<float>();
        held.Clear();
        foreach (var (rank, count) in counts.Index())
            for (var place = rank * longest; place < rank * longest + count; place++)
                Add(allNumbers[place], allRows.AsSpan(place * dimension, dimension));
    }

    /// <summary>The features [n, D] in the order of their numbers, owned by the current scope.</summary>
    internal Tensor ToTensor() =>
        Tensor.From(
            held.UnorderedItems.Select(item => item.Element).OrderBy(one => one.Number).SelectMany(one => one.Row).ToArray(),
            held.Count,
            dimension
        );
}
