using Tessera.Data;

namespace Tessera.Training;

/// <summary>Where batches come from: any loader.</summary>
/// <param name="Count">Batches of one epoch.</param>
/// <param name="Epoch">The batches of an epoch (from 0), without the first so many. Order and content depend on the epoch alone.</param>
/// <param name="Split">Part of the data, for the log.</param>
/// <param name="Remember">Told of images that other processes could not read: they count towards the limit everywhere.</param>
public sealed record BatchSource(
    int Count,
    Func<int, int, IEnumerable<Batch>> Epoch,
    string Split = "train",
    Action<IReadOnlyList<UnreadableImage>>? Remember = null
);
