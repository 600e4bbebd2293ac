using Tessera.Data;

namespace Tessera.Training.Loop;

/// <summary>Batches in parts that fit into memory.</summary>
internal static class MicroBatches
{
    /// <summary>A batch in as few parts of at most so many samples as will do, all of about the same size.</summary>
    internal static IEnumerable<Batch> Split(Batch batch, int? largest)
    {
        var parts = largest is { } most ? (batch.Count + most - 1) / most : 1;
        if (parts <= 1)
            return [batch];
        return Enumerable
            .Range(0, parts)
            .Select(i => (Start: Place(i), End: Place(i + 1)))
            .Select(part => batch.Slice(part.Start, part.End - part.Start));

        int Place(int part) => (int)((long)batch.Count * part / parts);
    }

    /// <summary>Half of what did not fit.</summary>
    internal static int Half(int samples) => (samples + 1) / 2;

    /// <summary>Whether the engine ran out of memory, also inside of a function that it called back.</summary>
    internal static bool IsOutOfMemory(Exception? error) =>
        error is TorchOutOfMemoryException || (error is TorchException { InnerException: { } inner } && IsOutOfMemory(inner));

    /// <summary>Gives back what a failed attempt has left, so that the next one finds it.</summary>
    internal static void Release(Device device)
    {
        Torch.Collect();
        if (device.Type == DeviceType.Cuda)
            Cuda.EmptyCache();
        else
            Torch.ReleaseFreedMemory();
    }
}

/// <summary>A step that does not fit into memory and cannot be divided any further; the message is one line.</summary>
public sealed class StepMemoryException(string message, Exception inner) : Exception(message, inner);
