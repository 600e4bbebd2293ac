using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Retrieval;

/// <summary>
/// The lock of the one writer of a file: one of an opened file, on its first byte. The system lets it go when the file is closed, however
/// the program ends. .NET's own locks of whole files would keep readers out as well.
/// </summary>
internal static partial class WriterLock
{
    private const int SetLockOfOpenFile = 37; // F_OFD_SETLK
    private const short Exclusive = 1; // F_WRLCK
    private const int TryAgain = 11; // EAGAIN

    [StructLayout(LayoutKind.Sequential)]
    private struct FileLock
    {
        internal short Type;
        internal short Whence;
        internal long Start;
        internal long Length;
        internal int Process;
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, ref FileLock argument);

    /// <summary>Takes it.</summary>
    /// <returns>False where another writer has it.</returns>
    /// <exception cref="IOException">The file system has no locks.</exception>
    internal static bool TryTake(SafeFileHandle file)
    {
        var wanted = new FileLock { Type = Exclusive, Length = 1 };
        if (Control(file, SetLockOfOpenFile, ref wanted) == 0)
            return true;
        return Marshal.GetLastPInvokeError() == TryAgain
            ? false
            : throw new IOException($"it cannot be locked: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Whether another file has taken the name of an open one, as a compaction does.</summary>
    internal static bool WasReplaced(SafeFileHandle file) =>
        new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.DangerousGetHandle()}")).LinkTarget is { } target
        && target.EndsWith(" (deleted)", StringComparison.Ordinal);
}
