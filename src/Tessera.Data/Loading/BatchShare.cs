namespace Tessera.Data.Loading;

/// <summary>
/// Which samples of a batch fall to one of several processes. They are taken from both ends alike, so that two images that are
/// mixed with each other (the first with the last, and so on inwards) are in the same process: mixing is then that of the whole batch.
/// </summary>
internal static class BatchShare
{
    /// <summary>Positions in the batch, ascending; none where there are fewer pairs than processes and this one gets nothing.</summary>
    /// <param name="count">Samples of the batch.</param>
    /// <param name="replica">The process.</param>
    public static int[] Of(int count, Replica replica)
    {
        var pairs = count / 2;
        var (from, to) = (Place(replica.Rank), Place(replica.Rank + 1));
        // The odd one in the middle goes to the last, whose samples lie around it.
        var middle = count % 2 == 1 && replica.Rank == replica.Count - 1 ? 1 : 0;
        return [.. Enumerable.Range(from, to - from + middle), .. Enumerable.Range(count - to, to - from)];

        int Place(int rank) => (int)((long)pairs * rank / replica.Count);
    }

    /// <summary>Samples of the process that gets most.</summary>
    /// <param name="count">Samples of the batch.</param>
    /// <param name="processes">Number of processes.</param>
    public static int Largest(int count, int processes) =>
        Enumerable.Range(0, processes).Max(rank => Of(count, new(rank, processes)).Length);
}
