using Microsoft.Win32.SafeHandles;

namespace Tessera.Retrieval;

/// <summary>What an index does to the disk, in the order in which it does it. Tests stand between to stop it anywhere.</summary>
internal class Disk
{
    /// <summary>Writes bytes at a position.</summary>
    internal virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long position) => RandomAccess.Write(file, bytes, position);

    /// <summary>Waits until all that was written is on the disk.</summary>
    internal virtual void Flush(SafeFileHandle file) => RandomAccess.FlushToDisk(file);

    /// <summary>Cuts what lies behind a length.</summary>
    internal virtual void Cut(SafeFileHandle file, long length) => RandomAccess.SetLength(file, length);

    /// <summary>Gives a file that is whole its name.</summary>
    internal virtual void Move(string from, string to, bool overwrite) => File.Move(from, to, overwrite);
}
