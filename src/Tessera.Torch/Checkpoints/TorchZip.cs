using System.Text;

namespace Tessera.Checkpoints;

/// <summary>Reads the format of torch.save since version 1.6: a zip with a pickle and one entry per storage.</summary>
internal sealed class TorchZip
{
    const string PickleName = "data.pkl";

    readonly FileBytes file;
    readonly ZipDirectory zip;
    readonly string folder;
    readonly Dictionary<string, CheckpointTensor> storages = [];

    TorchZip(FileBytes file, ZipDirectory zip)
    {
        (this.file, this.zip) = (file, zip);
        // The folder is called after the file as it was first saved, so only its content tells which it is.
        var pickles = zip.Entries.Where(IsPickle).ToArray();
        if (pickles.Length > 1)
            throw new CorruptCheckpointException(file.Path, $"the archive has {pickles.Length} entries called {PickleName}");
        folder = pickles[0].Name[..^PickleName.Length];
    }

    /// <summary>Whether a zip archive is one.</summary>
    public static bool Recognises(ZipDirectory zip) => zip.Entries.Any(IsPickle);

    public static object? Read(FileBytes file, ZipDirectory zip, CheckpointOptions options) => new TorchZip(file, zip).Read(options);

    static bool IsPickle(ZipEntry entry) => entry.Name == PickleName || entry.Name.EndsWith("/" + PickleName, StringComparison.Ordinal);

    object? Read(CheckpointOptions options)
    {
        if (zip.Find(folder + "constants.pkl") is not null)
            throw new UnsupportedCheckpointException(
                file.Path,
                "the file is a TorchScript program, not a checkpoint; save the state_dict() of the module instead"
            );
        if (
            zip.Find(folder + "byteorder") is { } order
            && Encoding.UTF8.GetString(zip.Bytes(order, 64)) is var byteOrder
            && byteOrder != "little"
        )
            throw new UnsupportedCheckpointException(
                file.Path,
                $"the file's byte order must be 'little', not '{byteOrder}'; save it again on a little-endian machine"
            );
        var pickle = zip.Find(folder + PickleName)!;
        var bytes = zip.Bytes(pickle, pickle.Deflated ? options.Limits.MaxUnpackedPickle : int.MaxValue);
        return PickleMachine.Load(
            bytes,
            file.Path,
            options,
            (CheckpointTuple id, in PickleCursor at) => LoadStorage(id, options, at),
            out _
        );
    }

    object LoadStorage(CheckpointTuple id, CheckpointOptions options, in PickleCursor at)
    {
        var (known, key, count) = StorageId.Parse(id, file.Path, options.Strict, at);
        if (known is not { } type)
            return new OpaqueRecord(id[1]!.ToString()!, id);
        if (!storages.TryGetValue(key, out var storage))
        {
            var entry = zip.Find($"{folder}data/{key}") ?? throw at.Corrupt($"storage {key} is not in the archive");
            storage = StorageId.Whole(key, zip.Storage(entry), type, entry.Length / type.Size);
            storages.Add(key, storage);
        }
        if (!CheckpointTensor.TryMultiply(count, type.Size, out var bytes) || bytes != storage.Storage.ByteLength)
            throw at.Corrupt($"storage {key} declares {count} elements of type {type.Name}, but has {storage.Storage.ByteLength} bytes");
        return storage.ElementType == type ? storage : StorageId.Whole(key, storage.Storage, type, count);
    }
}
