namespace Tessera.Retrieval;

/// <summary>Descriptors with names and metadata in one file, and the search for those nearest to a query.</summary>
public sealed class VectorIndex : IDisposable
{
    /// <summary>Makes an empty index that can be written to.</summary>
    /// <param name="path">The file; it must not exist.</param>
    /// <param name="header">What the descriptors are.</param>
    public static VectorIndex Create(string path, IndexHeader header) => throw new NotImplementedException(path + header);

    /// <summary>Opens an index.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Whether it will be written to: one writer at a time, beside any number of readers.</param>
    public static VectorIndex Open(string path, bool write = false) => throw new NotImplementedException(path + write);

    /// <summary>What the descriptors are.</summary>
    public IndexHeader Header => throw new NotImplementedException();

    /// <summary>Items, without the deleted ones.</summary>
    public int Count => throw new NotImplementedException();

    /// <summary>Length of the file.</summary>
    public long FileBytes => throw new NotImplementedException();

    /// <summary>Whether <see cref="BuildApproximate"/> made a graph.</summary>
    public bool HasApproximate => throw new NotImplementedException();

    /// <summary>Adds items; they are on the disk when it returns, and all of them or none where it is interrupted.</summary>
    /// <param name="vectors">Their descriptors, [items x dimension], of length 1.</param>
    /// <param name="items">Their names and metadata; their ids are not looked at.</param>
    /// <returns>The ids that they got.</returns>
    public IReadOnlyList<long> Add(ReadOnlySpan<float> vectors, IReadOnlyList<IndexItem> items) => throw new NotImplementedException();

    /// <summary>Deletes items; it is on the disk when it returns.</summary>
    /// <param name="ids">Their ids; those that are not there are passed over.</param>
    /// <returns>How many were there.</returns>
    public int Remove(IReadOnlyList<long> ids) => throw new NotImplementedException();

    /// <summary>The item of an id, or null.</summary>
    /// <param name="id">The id.</param>
    public IndexItem? Find(long id) => throw new NotImplementedException();

    /// <summary>The items in the order of their ids.</summary>
    /// <param name="where">Which of them; null for all.</param>
    public IEnumerable<IndexItem> Items(IndexFilter? where = null) => throw new NotImplementedException();

    /// <summary>The vector of an item, or null.</summary>
    /// <param name="id">Its id.</param>
    public float[]? VectorOf(long id) => throw new NotImplementedException();

    /// <summary>The items nearest to each query, the nearest first: min(k, matching items) of them.</summary>
    /// <param name="queries">Descriptors, [queries x dimension], of length 1.</param>
    /// <param name="k">How many to find, at least 1.</param>
    /// <param name="options">How to search.</param>
    public IReadOnlyList<IReadOnlyList<Neighbor>> Search(ReadOnlySpan<float> queries, int k, SearchOptions? options = null) =>
        throw new NotImplementedException();

    /// <summary>Builds the graph of approximate search over all items. Items that are added later are found by comparing them.</summary>
    /// <param name="options">How.</param>
    /// <param name="progress">Gets the share that is done.</param>
    /// <param name="stop">Gives up; the index is then as before.</param>
    public void BuildApproximate(ApproximateOptions? options = null, IProgress<double>? progress = null, CancellationToken stop = default) =>
        throw new NotImplementedException();

    /// <summary>Writes the file anew without what was deleted.</summary>
    public void Compact() => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() { }
}
