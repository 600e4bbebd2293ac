namespace Tessera.Data.Loading;

/// <summary>Makes batches: one per worker, since a builder owns the images in work.</summary>
internal abstract class BatchBuilder
{
    /// <summary>Makes a batch.</summary>
    /// <param name="draws">The samples of all processes.</param>
    /// <param name="replica">The process whose share is made.</param>
    /// <param name="epoch">From 0.</param>
    /// <param name="step">Position of the batch in its epoch: draws for the batch as a whole depend on it.</param>
    internal BatchData Build(ReadOnlySpan<Draw> draws, Replica replica, int epoch, int step)
    {
        var share = replica.Count == 1 ? [.. Enumerable.Range(0, draws.Length)] : BatchShare.Of(draws.Length, replica);
        var placeholder = share.Length == 0 && draws.Length > 0;
        return Build(draws, placeholder ? [0] : share, placeholder, epoch, step);
    }

    /// <summary>Makes the part of a batch that is at some of its positions.</summary>
    protected abstract BatchData Build(ReadOnlySpan<Draw> draws, int[] share, bool placeholder, int epoch, int step);
}
