namespace Tessera;

/// <summary>
/// Watches tensors made outside of all scopes: the garbage collector sees objects of a few bytes and would let their
/// native memory run away, so it is asked to look once enough has gathered.
/// </summary>
internal static class Unscoped
{
    private const long Limit = 512L << 20;
    private static long gathered;

    internal static void Made(Tensor tensor)
    {
        // A view counts by its own elements: its storage was counted when it was made.
        var info = tensor.Info;
        var bytes = Math.Min(info.StorageBytes, info.Elements * info.ItemBytes);
        if (Interlocked.Add(ref gathered, bytes) < Limit)
            return;
        Interlocked.Exchange(ref gathered, 0);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Tensor.FreeQueued();
    }
}
