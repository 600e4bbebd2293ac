using System.Text.Json;
using Tessera.Native;

namespace Tessera.Training.Runs;

/// <summary>
/// The right of one process to write into a run. The system lets it go when the process ends, however that ends, so nothing is left to be
/// cleared away. Whoever only reads needs none.
/// </summary>
internal sealed class RunLock : IDisposable
{
    private const string LockName = "run.lock",
        OwnerName = "process.json";

    private readonly string folder;
    private readonly bool isNew;
    private readonly FileStream held;

    private RunLock(string folder, bool isNew, FileStream held) => (this.folder, this.isNew, this.held) = (folder, isNew, held);

    private sealed record Owner(int Process, string Host);

    private string LockPath => Path.Combine(folder, LockName);

    /// <summary>Takes it.</summary>
    /// <param name="folder">Folder of the run, or of several; it is made where it does not exist.</param>
    /// <exception cref="RunException">Another process holds it, which the message names; or the folder cannot be written to.</exception>
    public static RunLock Take(string folder)
    {
        var full = Path.GetFullPath(folder);
        var isNew = !Directory.Exists(full);
        while (true)
        {
            try
            {
                Directory.CreateDirectory(full);
                var path = Path.Combine(full, LockName);
                var held = FileLock.TryTake(path)
                    ?? throw new RunException(
                        $"{folder}: {OwnerOf(full)} is training this run: wait for its end, or stop it with Ctrl-C or kill"
                    );
                var taken = new RunLock(full, isNew, held);
                // A process that gave it up in between may have deleted the file: another one could then take a file of the same name.
                if (!File.Exists(path))
                {
                    taken.held.Dispose();
                    continue;
                }
                RunFolder.Write(
                    Path.Combine(full, OwnerName),
                    JsonSerializer.Serialize(new Owner(Environment.ProcessId, Environment.MachineName), RunFolder.Json)
                );
                return taken;
            }
            catch (UnauthorizedAccessException error)
            {
                throw new RunException($"{folder}: a run must be written to, and this folder cannot be: {error.Message}");
            }
        }
    }

    private static string OwnerOf(string folder)
    {
        try
        {
            if (
                JsonSerializer.Deserialize<Owner>(File.ReadAllBytes(Path.Combine(folder, OwnerName)), RunFolder.Json) is
                { Host: not null } owner
            )
                return $"process {owner.Process} on {owner.Host}";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            // It has only just taken the lock, or its notice belongs to somebody else: its name is all that is missing.
        }
        return "another process";
    }

    /// <summary>Lets it go. A folder that was made for it goes away again where nothing has come into it.</summary>
    public void Dispose()
    {
        var isThere = Directory.Exists(folder);
        if (isThere)
            File.Delete(Path.Combine(folder, OwnerName));
        if (isThere && isNew && Directory.EnumerateFileSystemEntries(folder).All(path => path == LockPath))
        {
            File.Delete(LockPath);
            Directory.Delete(folder);
        }
        held.Dispose();
    }
}
