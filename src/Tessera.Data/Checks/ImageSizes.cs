namespace Tessera.Data.Checks;

/// <summary>An image and its size.</summary>
/// <param name="Index">Position in the split.</param>
/// <param name="Name">Its file, or its number.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
public sealed record SizedImage(int Index, string Name, int Height, int Width)
{
    /// <summary>Columns per row.</summary>
    public double Aspect => (double)Width / Height;
}

/// <summary>A size that images have.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Count">How many images have it.</param>
public sealed record SizeCount(int Height, int Width, int Count);

/// <summary>Sizes and channels of the images of a split that can be read.</summary>
/// <param name="Smallest">An image with the fewest pixels.</param>
/// <param name="Median">An image with the median of pixels.</param>
/// <param name="Largest">An image with the most pixels.</param>
/// <param name="Tallest">The image that is highest for its width.</param>
/// <param name="Widest">The image that is widest for its height.</param>
/// <param name="Sizes">All sizes that occur, the most frequent first.</param>
/// <param name="Grey">Images without colours.</param>
/// <param name="Colored">Images with colours.</param>
/// <param name="Orientations">Marks of the camera's orientation other than 1, and how many images have each.</param>
public sealed record ImageSizes(
    SizedImage Smallest,
    SizedImage Median,
    SizedImage Largest,
    SizedImage Tallest,
    SizedImage Widest,
    IReadOnlyList<SizeCount> Sizes,
    int Grey,
    int Colored,
    IReadOnlyDictionary<int, int> Orientations
)
{
    /// <summary>Sums up images.</summary>
    /// <param name="data">The split.</param>
    /// <param name="samples">What is known of each of its samples.</param>
    /// <returns>Null where no size is known.</returns>
    internal static ImageSizes? Of(Dataset data, IReadOnlyList<ScannedSample> samples)
    {
        var read = samples.Index().Where(entry => entry.Item is { Problem: null, Width: > 0 }).ToArray();
        if (read.Length == 0)
            return null;
        // The first of equal images stands for all, so the answer is the same each time.
        var bySize = read.OrderBy(entry => (long)entry.Item.Height * entry.Item.Width).ToArray();
        var byAspect = read.OrderBy(entry => (double)entry.Item.Width / entry.Item.Height).ToArray();
        var most = (long)bySize[^1].Item.Height * bySize[^1].Item.Width;
        var grey = read.Count(entry => entry.Item.Channels < 3);
        return new(
            Sized(bySize[0]),
            Sized(bySize[read.Length / 2]),
            Sized(bySize.First(entry => (long)entry.Item.Height * entry.Item.Width == most)),
            Sized(byAspect[0]),
            Sized(byAspect[^1]),
            [
                .. read.CountBy(entry => (entry.Item.Height, entry.Item.Width))
                    .OrderByDescending(size => size.Value)
                    .ThenBy(size => size.Key)
                    .Select(size => new SizeCount(size.Key.Height, size.Key.Width, size.Value)),
            ],
            grey,
            read.Length - grey,
            read.Where(entry => entry.Item.Orientation != 1)
                .CountBy(entry => entry.Item.Orientation)
                .OrderBy(entry => entry.Key)
                .ToDictionary()
        );

        SizedImage Sized((int Index, ScannedSample Item) entry) =>
            new(entry.Index, data.SampleName(entry.Index), entry.Item.Height, entry.Item.Width);
    }
}
