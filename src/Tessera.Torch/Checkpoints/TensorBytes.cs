namespace Tessera.Checkpoints;

/// <summary>Hands a tensor's elements on in parts that fit a span.</summary>
internal static class TensorBytes
{
    const int Part = 1 << 26;

    /// <summary>Passes on all bytes of the tensor, packed row-major.</summary>
    /// <exception cref="OperationCanceledException">Signalled before a part.</exception>
    public static void Write(CheckpointTensor tensor, SpanAction take, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        if (!tensor.IsContiguous)
        {
            take(tensor.ToContiguousBytes());
            return;
        }
        var start = tensor.StorageOffset * tensor.ElementType.Size;
        for (long done = 0; done < tensor.ByteLength; done += Part)
        {
            stop.ThrowIfCancellationRequested();
            take(tensor.Storage.Slice(start + done, (int)Math.Min(Part, tensor.ByteLength - done)));
        }
        GC.KeepAlive(tensor);
    }

    public delegate void SpanAction(ReadOnlySpan<byte> part);
}
