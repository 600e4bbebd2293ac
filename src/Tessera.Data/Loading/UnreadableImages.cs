namespace Tessera.Data.Loading;

/// <summary>Gathers images that cannot be decoded, in the order of the batches, up to a limit.</summary>
internal sealed class UnreadableImages(Dataset dataset, double limit)
{
    private readonly SortedDictionary<int, UnreadableImage> found = [];

    internal IReadOnlyList<UnreadableImage> Found
    {
        get
        {
            lock (found)
                return [.. found.Values];
        }
    }

    /// <summary>Notes images.</summary>
    /// <exception cref="DataException">There are more than the limit allows.</exception>
    internal void Add(IReadOnlyList<UnreadableImage> images)
    {
        lock (found)
        {
            foreach (var image in images)
            {
                found[image.Index] = image;
                if (found.Count > limit * dataset.Count)
                    throw new DataException(
                        $"{dataset.Name} ({dataset.Split}): {found.Count} of {dataset.Count} images cannot be read, "
                            + $"more than the limit of {100 * limit:0.##} % (data.unreadable_limit); "
                            + $"the last is {image.Name}: {image.Problem}"
                    );
            }
        }
    }
}
