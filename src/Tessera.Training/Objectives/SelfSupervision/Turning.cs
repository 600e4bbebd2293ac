using Tessera.Data;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Images that are turned by quarters, counter-clockwise, and how far, which a network can learn to tell. Gidaris et al., 2018,
/// arXiv:1803.07728.
/// </summary>
internal static class Turning
{
    private const int Stream = 10 << 20;

    /// <summary>Number of different turns.</summary>
    internal const int Count = 4;

    /// <summary>Draws quarter turns for training from the engine's generator.</summary>
    internal static int[] Draw(long images)
    {
        using var scope = new Scope();
        return [.. Torch.Randint(Count, [images]).ToArray<long>().Select(turn => (int)turn)];
    }

    /// <summary>Draws quarter turns for a measurement: they depend on the seed and on an image's index alone.</summary>
    internal static int[] Measured(IReadOnlyList<int> indices, ulong seed) =>
        [.. indices.Select(index => new SampleRandom(seed, 0, index, Stream).Below(Count))];

    /// <summary>Each image turned by its own number of quarters.</summary>
    /// <param name="images">[B, C, H, W], as high as wide.</param>
    /// <param name="turns">Quarter turns of each image.</param>
    internal static Tensor Apply(Tensor images, IReadOnlyList<int> turns) =>
        Torch.Scope(() => Torch.Stack([.. turns.Select((turn, i) => images[i].Rot90(turn, [1, 2]))], 0));

    /// <summary>The turns as classes, int64, [B].</summary>
    internal static Tensor Labels(IReadOnlyList<int> turns, Device device) => Tensor.From([.. turns.Select(turn => (long)turn)]).To(device);
}
