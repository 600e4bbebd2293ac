using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Checkpoints;

namespace Tessera.Training.Runs;

/// <summary>
/// The checkpoints of a run: a folder each, with safetensors, a position, and a manifest of checksums that is written last. A
/// folder gets its name only when all of it is on the disk, so that one with a name is whole unless the disk is at fault.
/// </summary>
/// <param name="folder">Folder of the checkpoints, <c>checkpoints</c> of a run.</param>
internal sealed class CheckpointStore(string folder)
{
    private const string Prefix = "step-";
    private const string Within = ".phase-";
    private const string ManifestName = "manifest.json";
    private const string PositionName = "position.json";
    private static readonly JsonSerializerOptions json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // Resuming goes on with the very sums, also those that are no numbers.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private sealed record Manifest(int Format, OrderedDictionary<string, Entry> Files);

    private sealed record Entry(long Bytes, string Sha256);

    /// <summary>Paths of all checkpoints, the newest first.</summary>
    public IReadOnlyList<string> All =>
        !Directory.Exists(folder)
            ? []
            : [.. Directory.EnumerateDirectories(folder, $"{Prefix}*").Where(path => PlaceOf(path) is not null).OrderByDescending(PlaceOf)];

    // A checkpoint within a step has a place of its own: the one before that step stays.
    private static string NameOf(Position position) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{position.Step:D8}")
        + (position.Partial is { } partial ? string.Create(CultureInfo.InvariantCulture, $"{Within}{partial.Phase}") : "");

    private static (long Step, int Phase)? PlaceOf(string path)
    {
        var parts = Path.GetFileName(path)[Prefix.Length..].Split(Within);
        var phase = 0;
        return
            parts.Length <= 2
            && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            && (parts.Length == 1 || int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out phase))
            ? (step, phase)
            : null;
    }

    /// <summary>Writes a checkpoint; one of the same place is replaced.</summary>
    /// <param name="position">Step, epoch and counts of the training at this moment.</param>
    /// <param name="tensors">Tensors by name, by file without its extension.</param>
    /// <returns>Path of the checkpoint's folder.</returns>
    public string Save(Position position, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> tensors)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, NameOf(position));
        var building = $"{path}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(building);
        try
        {
            foreach (var (file, named) in tensors)
                TensorFile.Save(Path.Combine(building, $"{file}.safetensors"), named);
            WriteFlushed(Path.Combine(building, PositionName), JsonSerializer.SerializeToUtf8Bytes(position, json));
            var files = new OrderedDictionary<string, Entry>();
            foreach (var file in Directory.GetFiles(building).Order(StringComparer.Ordinal))
                files.Add(Path.GetFileName(file), Hash(file));
            WriteFlushed(Path.Combine(building, ManifestName), JsonSerializer.SerializeToUtf8Bytes(new Manifest(1, files), json));
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            Directory.Move(building, path);
        }
        catch
        {
            Directory.Delete(building, recursive: true);
            throw;
        }
        return path;
    }

    private static void WriteFlushed(string path, byte[] content)
    {
        using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        stream.Write(content);
        stream.Flush(flushToDisk: true);
    }

    private static Entry Hash(string path)
    {
        using var stream = File.OpenRead(path);
        return new(stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
    }

    /// <summary>The newest checkpoint that is whole; null when there is none.</summary>
    /// <param name="skipped">Receives the path of each newer checkpoint that is not whole, with the reason.</param>
    /// <param name="stopped">Whether those count that were written because training was stopped.</param>
    public StoredCheckpoint? Newest(Action<string>? skipped = null, bool stopped = true)
    {
        foreach (var path in All)
        {
            if (!stopped && TryPosition(path) is { Stopped: true })
                continue;
            try
            {
                return Open(path);
            }
            catch (CheckpointException error)
            {
                skipped?.Invoke(error.Message);
            }
        }
        return null;
    }

    /// <summary>Path of the checkpoint with the best primary score, the newest among equal ones; null when none was measured.</summary>
    public string? BestPath =>
        All.Select(path => (Path: path, TryPosition(path)?.Score))
            .Where(checkpoint => checkpoint.Score is not null)
            .OrderByDescending(checkpoint => checkpoint.Score!.Order)
            .FirstOrDefault()
            .Path;

    /// <summary>Position of the training at a checkpoint, and the length and SHA-256 of its files by the manifest.</summary>
    /// <exception cref="CheckpointException">The manifest or the position cannot be read.</exception>
    internal static (Position Position, IReadOnlyDictionary<string, (long Bytes, string Sha256)> Files) Describe(string path)
    {
        try
        {
            var files = ReadManifest(path).Files;
            return (ReadPosition(path), files.ToDictionary(file => file.Key, file => (file.Value.Bytes, file.Value.Sha256)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CorruptCheckpointException(path, error.Message.ReplaceLineEndings(" "), error);
        }
    }

    private static Manifest ReadManifest(string path)
    {
        var manifest = JsonSerializer.Deserialize<Manifest>(File.ReadAllBytes(Path.Combine(path, ManifestName)), json);
        return manifest is { Files: not null, Format: 1 }
            ? manifest
            : throw new CorruptCheckpointException(path, "its manifest is of another format");
    }

    /// <summary>Opens a checkpoint after comparing every file with the manifest.</summary>
    /// <exception cref="CheckpointException">A file is missing, damaged or of another length; the message names it.</exception>
    public static StoredCheckpoint Open(string path)
    {
        try
        {
            var manifest = ReadManifest(path);
            foreach (var (file, expected) in manifest.Files)
            {
                var found = Hash(Path.Combine(path, Path.GetFileName(file)));
                if (found.Bytes != expected.Bytes)
                    throw new CorruptCheckpointException(path, $"{file} has {found.Bytes} bytes, the manifest says {expected.Bytes}");
                if (found.Sha256 != expected.Sha256)
                    throw new CorruptCheckpointException(path, $"{file} is damaged: its SHA-256 is not the manifest's");
            }
            return new(path, ReadPosition(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CorruptCheckpointException(path, error.Message.ReplaceLineEndings(" "), error);
        }
    }

    private static Position ReadPosition(string path) =>
        JsonSerializer.Deserialize<Position>(File.ReadAllBytes(Path.Combine(path, PositionName)), json)
        ?? throw new JsonException($"{PositionName} is empty");

    private static Position? TryPosition(string path)
    {
        try
        {
            return ReadPosition(path);
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Deletes the checkpoints of later places.</summary>
    /// <param name="last">The last place whose checkpoint stays.</param>
    public void DeleteAfter(Position last)
    {
        var place = (last.Step, last.Partial?.Phase ?? 0);
        foreach (var path in All.Where(path => PlaceOf(path) is { } found && found.CompareTo(place) > 0))
            Directory.Delete(path, recursive: true);
    }

    /// <summary>
    /// Deletes all checkpoints but the newest, the newest that was not written because training was stopped, and the best. Also deletes the
    /// leftovers of interrupted writing.
    /// </summary>
    /// <param name="keep">Number of the newest checkpoints that stay, at least 1.</param>
    public void Prune(int keep)
    {
        var all = All.Select(path => (Path: path, Position: TryPosition(path))).ToArray();
        var best = BestPath;
        var regular = all.FirstOrDefault(c => c.Position is { Stopped: false }).Path;
        foreach (var (path, _) in all.Skip(keep).Where(c => c.Path != best && c.Path != regular))
            Directory.Delete(path, recursive: true);
        foreach (var path in Directory.EnumerateDirectories(folder, "*.tmp"))
            Directory.Delete(path, recursive: true);
    }
}

/// <summary>A checkpoint that was found whole.</summary>
/// <param name="Path">Folder of the checkpoint.</param>
/// <param name="Position">Step and counts of the training when the checkpoint was written.</param>
internal sealed record StoredCheckpoint(string Path, Position Position)
{
    /// <summary>Whether it has a file of tensors.</summary>
    public bool Has(string file) => File.Exists(FileOf(file));

    /// <summary>The tensors of a file by name, owned by the current scope.</summary>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public OrderedDictionary<string, Tensor> Load(string file) => TensorFile.Load(FileOf(file));

    /// <summary>Path of a file of tensors.</summary>
    public string FileOf(string file) => System.IO.Path.Combine(Path, $"{file}.safetensors");
}
