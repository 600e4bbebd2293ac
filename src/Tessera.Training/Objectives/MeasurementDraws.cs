using Tessera.Data;

namespace Tessera.Training.Objectives;

/// <summary>
/// What measuring a method draws. It depends on the seed and on a sample's index alone: every measurement draws the same, whatever the
/// batches and the number of processes, and the random state of training stays as it is.
/// </summary>
internal static class MeasurementDraws
{
    // Apart from the streams of Tessera.Data.
    private const int PatchStream = 6 << 20,
        ColorStream = 7 << 20;

    /// <summary>
    /// Noise that decides which patches are hidden, [B, L] in float32: a random order, in [0, 1) and all different, so that sorting it has
    /// one result.
    /// </summary>
    /// <param name="indices">Positions of the B samples in their data set.</param>
    /// <param name="patches">Patches per image L.</param>
    /// <param name="seed">Seed of the measurement.</param>
    /// <param name="device">Device of the result.</param>
    internal static Tensor PatchNoise(IReadOnlyList<int> indices, int patches, ulong seed, Device device)
    {
        var noise = new float[indices.Count * patches];
        foreach (var (row, index) in indices.Index())
        {
            var own = noise.AsSpan(row * patches, patches);
            for (var i = 0; i < patches; i++)
                own[i] = i / (float)patches;
            new SampleRandom(seed, 0, index, PatchStream).Shuffle(own);
        }
        return Tensor.From(noise, indices.Count, patches).To(device);
    }

    /// <summary>Three uniform draws in [0, 1) per sample, [3, B, 1, 1, 1] in float32, for <see cref="ColorJitter"/>.</summary>
    /// <param name="indices">Positions of the B samples in their data set.</param>
    /// <param name="seed">Seed of the measurement.</param>
    /// <param name="device">Device of the result.</param>
    internal static Tensor ColorDraws(IReadOnlyList<int> indices, ulong seed, Device device)
    {
        var draws = new float[3 * indices.Count];
        foreach (var (row, index) in indices.Index())
        {
            var random = new SampleRandom(seed, 0, index, ColorStream);
            for (var part = 0; part < 3; part++)
                draws[part * indices.Count + row] = (float)random.NextDouble();
        }
        return Tensor.From(draws, 3, indices.Count, 1, 1, 1).To(device);
    }
}
