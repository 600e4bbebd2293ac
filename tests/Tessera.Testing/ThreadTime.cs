using System.Runtime.InteropServices;

namespace Tessera.Testing;

/// <summary>Time that a processor has spent on the calling thread: neither other threads nor a busy machine add to it.</summary>
internal static partial class ThreadTime
{
    private const int ClockOfThread = 3; // CLOCK_THREAD_CPUTIME_ID

    /// <summary>Seconds since the thread began.</summary>
    internal static double Seconds =>
        Read(ClockOfThread, out var time) == 0
            ? time.Seconds + time.Nanoseconds * 1e-9
            : throw new InvalidOperationException($"clock_gettime failed: {Marshal.GetLastPInvokeErrorMessage()}");

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        internal long Seconds;
        internal long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static partial int Read(int clock, out Time time);
}
