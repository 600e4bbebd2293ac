namespace Tessera.Data;

/// <summary>
/// Mean and standard deviation per channel of images in [0, 1]: a value v in 0..255 becomes (v / 255 - mean) / deviation.
/// </summary>
public sealed record Normalization
{
    /// <summary>Mean and deviation per channel.</summary>
    /// <exception cref="DataException">Of different length, or a deviation that is not positive.</exception>
    public Normalization(IReadOnlyList<float> mean, IReadOnlyList<float> deviation)
    {
        if (mean.Count != deviation.Count || mean.Count == 0)
            throw new DataException(
                $"normalization: {mean.Count} means and {deviation.Count} deviations: there must be one of each per channel"
            );
        if (deviation.Any(value => !(value > 0)))
            throw new DataException($"normalization: deviations must be positive, not {string.Join(", ", deviation)}");
        (Mean, Deviation) = (mean, deviation);
    }

    /// <summary>Mean per channel, of values in [0, 1].</summary>
    public IReadOnlyList<float> Mean { get; }

    /// <summary>Standard deviation per channel, of values in [0, 1].</summary>
    public IReadOnlyList<float> Deviation { get; }

    /// <summary>ImageNet's, which most pre-trained models expect.</summary>
    public static Normalization ImageNet { get; } = new([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]);

    /// <summary>Half and half: values from -1 to 1.</summary>
    public static Normalization Inception { get; } = new([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f]);

    /// <summary>Mean and deviation of a block of images.</summary>
    /// <param name="pixels">Values [N, C, H, W].</param>
    /// <param name="channels">C.</param>
    /// <param name="planeSize">H times W.</param>
    public static Normalization Of(ReadOnlySpan<byte> pixels, int channels, int planeSize)
    {
        var counts = new long[channels][];
        for (var c = 0; c < channels; c++)
            counts[c] = new long[256];
        for (int start = 0, plane = 0; start < pixels.Length; start += planeSize, plane++)
        {
            var histogram = counts[plane % channels];
            foreach (var value in pixels.Slice(start, planeSize))
                histogram[value]++;
        }
        var mean = new float[channels];
        var deviation = new float[channels];
        for (var c = 0; c < channels; c++)
        {
            double total = 0,
                sum = 0,
                squares = 0;
            for (var v = 0; v < 256; v++)
            {
                total += counts[c][v];
                sum += counts[c][v] * (v / 255.0);
                squares += counts[c][v] * (v / 255.0) * (v / 255.0);
            }
            mean[c] = total == 0 ? 0 : (float)(sum / total);
            var variance = total == 0 ? 0 : squares / total - sum / total * (sum / total);
            deviation[c] = variance > 1e-12 ? (float)Math.Sqrt(variance) : 1;
        }
        return new(mean, deviation);
    }

    /// <summary>
    /// The normalised value of every byte, channel after channel, computed as frameworks do: in single precision, division by division.
    /// </summary>
    /// <param name="channels">Channels of the images; a single mean serves any number.</param>
    /// <exception cref="DataException">Another number of channels.</exception>
    public float[] Table(int channels)
    {
        if (Mean.Count != 1 && Mean.Count != channels)
            throw new DataException($"normalization: {Mean.Count} means for images of {channels} channels");
        var table = new float[channels * 256];
        for (var c = 0; c < channels; c++)
        {
            var (mean, deviation) = Mean.Count == 1 ? (Mean[0], Deviation[0]) : (Mean[c], Deviation[c]);
            for (var v = 0; v < 256; v++)
                table[c * 256 + v] = (v / 255f - mean) / deviation;
        }
        return table;
    }
}
