using Microsoft.Win32.SafeHandles;
using Tessera.Retrieval;

namespace Tessera.Tests.Retrieval;

/// <summary>
/// A disk that keeps what a folder looks like each time that a program could be ended: before and after each write, and in the middle of
/// one; and what a file would look like if the power failed: what was flushed, and any of the writes since.
/// </summary>
internal sealed class SnapshotDisk(string folder) : Disk
{
    private readonly Random random = new(5);
    private readonly Dictionary<nint, (byte[] Flushed, List<(byte[] Bytes, long Position)> Since)> files = [];

    /// <summary>Told of each: the files by name.</summary>
    internal Action<Dictionary<string, byte[]>>? Taken { get; set; }

    internal override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long position)
    {
        var state = StateOf(file);
        Take(file);
        base.Write(file, bytes[..(bytes.Length / 2)], position);
        Take(file);
        base.Write(file, bytes, position);
        state.Since.Add((bytes.ToArray(), position));
        Take(file);
    }

    internal override void Flush(SafeFileHandle file)
    {
        files[file.DangerousGetHandle()] = (Content(file), []);
        Take(file);
    }

    internal override void Cut(SafeFileHandle file, long length)
    {
        base.Cut(file, length);
        Take(file);
    }

    internal override void Move(string from, string to, bool overwrite)
    {
        base.Move(from, to, overwrite);
        Taken?.Invoke(Folder());
    }

    private (byte[] Flushed, List<(byte[] Bytes, long Position)> Since) StateOf(SafeFileHandle file)
    {
        var key = file.DangerousGetHandle();
        if (!files.TryGetValue(key, out var state))
            files[key] = state = (Content(file), []);
        return state;
    }

    private static byte[] Content(SafeFileHandle file)
    {
        var bytes = new byte[RandomAccess.GetLength(file)];
        for (var at = 0; at < bytes.Length; )
            at += RandomAccess.Read(file, bytes.AsSpan(at), at);
        return bytes;
    }

    private Dictionary<string, byte[]> Folder() =>
        Directory
            .GetFiles(folder)
            .ToDictionary(
                path => Path.GetFileName(path),
                path =>
                {
                    using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                    var bytes = new byte[file.Length];
                    file.ReadExactly(bytes);
                    return bytes;
                }
            );

    private void Take(SafeFileHandle file)
    {
        if (Taken is null)
            return;
        var now = Folder();
        Taken(now);
        // The power fails: the system has written some of what it was given, in no order.
        var (flushed, since) = StateOf(file);
        var content = Content(file);
        var name = now.First(one => one.Value.AsSpan().SequenceEqual(content)).Key;
        for (var draw = 0; draw < 2 && since.Count > 0; draw++)
        {
            var (length, kept) = ((long)flushed.Length, since.Where(_ => random.Next(2) == 0).ToArray());
            foreach (var (bytes, position) in kept)
                length = Math.Max(length, position + bytes.Length);
            var lost = new byte[length];
            flushed.CopyTo(lost, 0);
            foreach (var (bytes, position) in kept)
                bytes.CopyTo(lost, position);
            Taken(new(now) { [name] = lost });
        }
    }
}
