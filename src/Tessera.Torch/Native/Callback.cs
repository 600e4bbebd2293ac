using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>C# that the engine calls: what it throws is kept and thrown again once the engine has returned.</summary>
internal static unsafe class Callback
{
    // The engine may call back on a thread of its own (CUDA's backward): the next failed call of any thread takes it.
    private static Exception? pending;

    internal static Exception? TakePending() => Interlocked.Exchange(ref pending, null);

    internal static int Guard(void* context, nint a, nint b, Action<object, nint, nint> body)
    {
        try
        {
            body(GCHandle.FromIntPtr((nint)context).Target!, a, b);
            return 0;
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref pending, e, null);
            return 1;
        }
    }

    [UnmanagedCallersOnly]
    internal static void Release(void* context) => GCHandle.FromIntPtr((nint)context).Free();
}
