namespace Tessera.Models;

/// <summary>The channels that a smaller network uses of an axis of a larger one: a range, perhaps around the end.</summary>
/// <param name="Start">The first of them.</param>
/// <param name="Count">How many.</param>
/// <param name="Size">Channels of the axis.</param>
public readonly record struct SharedChannels(int Start, int Count, int Size)
{
    /// <summary>The channels of a share of an axis.</summary>
    /// <param name="sharing">The rule.</param>
    /// <param name="space">The shares that there are.</param>
    /// <param name="share">Number of the share.</param>
    /// <param name="size">Channels of the axis.</param>
    public static SharedChannels Of(WidthSharing sharing, VitasSpace space, int share, int size)
    {
        var count = space.Width(share, size);
        return sharing switch
        {
            WidthSharing.Left => new(0, count, size),
            WidthSharing.Right => new(size - count, count, size),
            _ => Cyclic([.. Enumerable.Range(0, share + 1).Select(smaller => space.Width(smaller, size))], size),
        };
    }

    /// <summary>The channels of the last of several widths under cyclic sharing.</summary>
    /// <param name="widths">All widths up to this one, from small to large.</param>
    /// <param name="size">Channels of the axis.</param>
    public static SharedChannels Cyclic(IReadOnlyList<int> widths, int size) =>
        new(widths.Take(widths.Count - 1).Sum() % size, widths[^1], size);

    /// <summary>Their numbers, in the order in which the smaller network has them.</summary>
    public IReadOnlyList<int> Indices
    {
        get
        {
            var (start, size) = (Start, Size);
            return [.. Enumerable.Range(0, Count).Select(i => (start + i) % size)];
        }
    }

    /// <summary>These channels of a tensor.</summary>
    /// <param name="tensor">Its dimension has <see cref="Size"/> channels.</param>
    /// <param name="dimension">The dimension.</param>
    public Tensor Of(Tensor tensor, int dimension) =>
        Count == Size && Start == 0 ? tensor
        : Start + Count <= Size ? tensor.Narrow(dimension, Start, Count)
        : Torch.Cat([tensor.Narrow(dimension, Start, Size - Start), tensor.Narrow(dimension, 0, Start + Count - Size)], dimension);
}
