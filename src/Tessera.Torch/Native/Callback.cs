using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>C# that the engine calls: its exceptions are kept and thrown again once the engine has returned.</summary>
internal static unsafe class Callback
{
    // The engine may call back on a thread of its own (CUDA's backward), and several calls may fail at once: each exception
    // has a number, which travels through the engine as the message of the failure.
    private static readonly ConcurrentDictionary<int, Exception> thrown = new();
    private static int last;

    /// <summary>The exception that a failed callback left under the number that the engine's message is.</summary>
    internal static Exception? Take(string message) =>
        int.TryParse(message, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && thrown.TryRemove(number, out var exception)
            ? exception
            : null;

    internal static int Guard(void* context, nint a, nint b, Action<object, nint, nint> body)
    {
        try
        {
            body(GCHandle.FromIntPtr((nint)context).Target!, a, b);
            return 0;
        }
        catch (Exception e)
        {
            var number = Interlocked.Increment(ref last) & int.MaxValue;
            thrown[number] = e;
            return number;
        }
    }

    [UnmanagedCallersOnly]
    internal static void Release(void* context) => GCHandle.FromIntPtr((nint)context).Free();
}
