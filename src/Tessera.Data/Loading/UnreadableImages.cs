namespace Tessera.Data;

/// <summary>An image that could not be decoded and was replaced by another.</summary>
/// <param name="Index">Position in the data set.</param>
/// <param name="Name">Its file.</param>
/// <param name="Problem">What is wrong with it.</param>
public sealed record UnreadableImage(int Index, string Name, string Problem);

/// <summary>Gathers images that cannot be decoded, up to a limit.</summary>
internal sealed class UnreadableImages(ImageDataset dataset, double limit)
{
    private readonly SortedDictionary<int, UnreadableImage> found = [];

    internal IReadOnlyList<UnreadableImage> Found
    {
        get
        {
            lock (found) return [.. found.Values];
        }
    }

    /// <summary>Notes an image.</summary>
    /// <exception cref="DataException">There are more than the limit allows.</exception>
    internal void Add(int index, UnreadableImageException error)
    {
        lock (found)
        {
            found[index] = new(index, dataset.SampleName(index), error.Problem);
            if (found.Count > limit * dataset.Count)
                throw new DataException($"{dataset.Name} ({dataset.Split}): {found.Count} of {dataset.Count} images cannot be read, more than the limit of {limit:P1}; the last is {error.Message}", error);
        }
    }
}
