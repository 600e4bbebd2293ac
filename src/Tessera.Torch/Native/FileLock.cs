namespace Tessera.Native;

/// <summary>A file that one process holds alone: the system lets it go when the process ends, however that ends.</summary>
internal static class FileLock
{
    // What .NET gives as the result of an error on Linux: EAGAIN (EWOULDBLOCK is the same number), somebody else holds the lock.
    private const int WouldBlock = 11;

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
}
