namespace Tessera.Data.Loading;

/// <summary>How many images of a data set may be unreadable.</summary>
/// <param name="Share">As a share of the data set; 0 allows none at all.</param>
/// <param name="Allowed">
/// This number is allowed in small data sets as well, where a single image is a large share, but never more than half of a data set.
/// </param>
public readonly record struct UnreadableLimit(double Share, int Allowed = 0)
{
    /// <summary>The limit of recipes that set none.</summary>
    public static UnreadableLimit Default { get; } = new(0.01, 9);

    /// <summary>A limit that is a share alone.</summary>
    public static implicit operator UnreadableLimit(double share) => new(share);

    /// <inheritdoc cref="op_Implicit"/>
    public static UnreadableLimit FromDouble(double share) => share;

    /// <summary>The largest number of unreadable images among so many.</summary>
    internal double Of(int count) => Share == 0 ? 0 : Math.Max(Share * count, Math.Min(Allowed, count / 2));

    /// <summary>What was exceeded, for people.</summary>
    internal string Describe(int count) =>
        Of(count) > Share * count
            ? $"more than {Of(count):0} (data.unreadable_allowed) and than {100 * Share:0.##} % (data.unreadable_limit)"
            : $"more than the limit of {100 * Share:0.##} % (data.unreadable_limit)";
}

/// <summary>Gathers images that cannot be decoded, in the order of the batches, up to a limit.</summary>
internal sealed class UnreadableImages(Dataset dataset, UnreadableLimit limit)
{
    private const int MostNamed = 10;

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
                if (found.Count > limit.Of(dataset.Count))
                    throw new DataException(
                        $"{dataset.Name} ({dataset.Split}): {found.Count} of {dataset.Count} images cannot be read, "
                            + $"{limit.Describe(dataset.Count)}; the last is {image.Name}: {image.Problem}{Others(image)}"
                    );
            }
        }
    }

    private string Others(UnreadableImage last)
    {
        string[] names = [.. found.Values.Where(image => image.Index != last.Index).Select(image => image.Name)];
        var more = names.Length > MostNamed ? $" and {names.Length - MostNamed} more" : "";
        return names.Length == 0 ? "" : $"; the others are {string.Join(", ", names.Take(MostNamed))}{more}";
    }
}
