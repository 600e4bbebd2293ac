using Tessera.Models;
using Tessera.Search.Surrogates;

namespace Tessera.Search.Methods;

/// <summary>A cell with what the surrogate expects of it.</summary>
/// <param name="Cell">The cell.</param>
/// <param name="Prediction">The accuracy that is expected of its network, in (0, 1).</param>
internal sealed record PnasChoice(PnasCell Cell, double Prediction)
{
    // Some 10 MB of a surrogate's intermediates.
    private const int Batch = 2048;

    /// <summary>The best of all cells that others become with one block more. Their number is bounded by time alone.</summary>
    /// <param name="parents">The others, of equally many blocks, each once.</param>
    /// <param name="count">Cells that are wanted at most.</param>
    /// <param name="surrogate">Says what to expect.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The best first; where predictions are equal, in canonical order.</returns>
    internal static IReadOnlyList<PnasChoice> Best(
        IEnumerable<PnasCell> parents,
        int count,
        SurrogateEnsemble surrogate,
        CancellationToken stop
    )
    {
        // In canonical order, so that the place of a child tells its order too.
        PnasCell[] ordered = [.. parents.Order()];
        var length = ordered[0].Blocks.Count + 1;
        PnasBlock[] blocks = [.. new PnasSpace().Blocks(length)];
        var total = (long)ordered.Length * blocks.Length;
        // The worst of the best so far is on top.
        var best = new PriorityQueue<long, (double Prediction, long Place)>(
            Comparer<(double Prediction, long Place)>.Create(
                (one, other) => one.Prediction.CompareTo(other.Prediction) is not 0 and var order ? order : other.Place.CompareTo(one.Place)
            )
        );
        for (var start = 0L; start < total; start += Batch)
        {
            stop.ThrowIfCancellationRequested();
            var children = Enumerable.Range(0, (int)Math.Min(Batch, total - start)).Select(i => Child(start + i)).ToArray();
            foreach (var (i, prediction) in surrogate.Predict(children).Index())
            {
                var entry = (start + i, (prediction, start + i));
                if (best.Count < count)
                    best.Enqueue(entry.Item1, entry.Item2);
                else
                    best.EnqueueDequeue(entry.Item1, entry.Item2);
            }
        }
        var found = new PnasChoice[best.Count];
        for (var i = found.Length - 1; best.TryDequeue(out var place, out var key); i--)
            found[i] = new(Child(place), key.Prediction);
        return found;

        PnasCell Child(long place) => ordered[place / blocks.Length].With(blocks[place % blocks.Length]);
    }
}
