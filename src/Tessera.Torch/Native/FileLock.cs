using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Native;

/// <summary>A file that one process holds alone: the system lets it go when the process ends, however that ends.</summary>
internal static partial class FileLock
{
    // What .NET gives as the result of an error on Linux: EAGAIN (EWOULDBLOCK is the same number), somebody else holds the lock.
    private const int WouldBlock = 11;

    private const int ToWrite = 0x80002, // O_RDWR | O_CLOEXEC
        Exclusive = 2, // LOCK_EX
        Interrupted = 4; // EINTR

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(SafeFileHandle file, int operation);

    /// <summary>Takes it.</summary>
    /// <param name="path">The file; it is made where it is missing.</param>
    /// <returns>Holds it until it is disposed of; null where somebody else holds it.</returns>
    /// <exception cref="IOException">The file cannot be opened, for whatever other reason.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to, or it is a folder.</exception>
    internal static FileStream? TryTake(string path)
    {
        try
        {
            return new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException error) when (error.HResult == WouldBlock)
        {
            return null;
        }
    }

    /// <summary>Takes it, and waits as long as somebody else holds it.</summary>
    /// <param name="path">The file; it is made where it is missing.</param>
    /// <param name="waits">Called once, before it waits.</param>
    /// <returns>Holds it until it is disposed of.</returns>
    /// <exception cref="IOException">The file cannot be opened or locked.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to, or it is a folder.</exception>
    internal static IDisposable Take(string path, Action waits)
    {
        if (TryTake(path) is { } mine)
            return mine;
        waits();
        // .NET takes its lock, of the same kind as this one, while it opens a file, and never waits for it.
        var descriptor = Open(path, ToWrite);
        if (descriptor < 0)
            throw new IOException($"{path} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            while (Lock(file, Exclusive) != 0)
                if (Marshal.GetLastPInvokeError() != Interrupted)
                    throw new IOException($"{path} cannot be locked: {Marshal.GetLastPInvokeErrorMessage()}");
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
