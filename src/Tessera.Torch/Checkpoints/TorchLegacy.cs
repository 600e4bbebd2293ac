using System.Buffers.Binary;
using System.Numerics;

namespace Tessera.Checkpoints;

/// <summary>
/// Reads what torch.save wrote before version 1.6: four pickles (a magic number, the protocol, facts about the
/// system, the object), one with the keys of the storages, then the storages in that order.
/// </summary>
internal sealed class TorchLegacy
{
    const long Protocol = 1001;
    static readonly BigInteger magic = BigInteger.Parse("119547037146038801333356", System.Globalization.CultureInfo.InvariantCulture);

    readonly FileBytes file;
    readonly CheckpointOptions options;
    readonly Dictionary<string, CheckpointTensor> storages = [];
    long position;

    TorchLegacy(FileBytes file, CheckpointOptions options, long position) =>
        (this.file, this.options, this.position) = (file, options, position);

    /// <summary>Whether the first pickle of a file is the magic number.</summary>
    public static bool IsMagic(object? value) => value is BigInteger number && number == magic;

    /// <summary>Reads the file after the magic number.</summary>
    public static object? Read(FileBytes file, CheckpointOptions options, int magicLength) =>
        new TorchLegacy(file, options, magicLength).Read();

    object? Read()
    {
        if (Next() is not Protocol)
            throw Corrupt($"the protocol must be {Protocol}");
        if (Next() is not CheckpointDictionary system)
            throw Corrupt("the information about the system must be a dictionary");
        if (system.TryGetValue("little_endian", out var little) && little is false)
            throw new UnsupportedCheckpointException(
                file.Path,
                "the file is big-endian, which is not supported; save it again on a little-endian machine"
            );
        var root = Next(LoadStorage);
        if (Next() is not List<object?> keys)
            throw Corrupt("the keys of the storages must be a list");
        foreach (var key in keys)
            PlaceStorage(key as string ?? throw Corrupt("the key of a storage must be text"));
        return storages.Count == 0 ? root : throw Corrupt($"storage {storages.Keys.First()} is not in the file");
    }

    object? Next(PersistentLoad? load = null)
    {
        var value = PickleMachine.Load(file.From(position), file.Path, options, load, out var length);
        position += length;
        return value;
    }

    object LoadStorage(CheckpointTuple id, in PickleCursor at)
    {
        var (known, key, count) = StorageId.Parse(id, file.Path, options.Strict, at);
        // The storages follow one another, so that one of unknown size hides the others.
        if (known is not { } type)
            throw StorageId.Forbidden(file.Path, key, id[1]!.ToString()!);
        if (count > file.Length / type.Size)
            throw at.Corrupt($"storage {key} of {count} elements exceeds the file");
        if (!storages.TryGetValue(key, out var storage))
            storages.Add(key, storage = StorageId.Whole(key, CheckpointStorage.Unplaced(file.Path, count * type.Size), type, count));
        if (storage.Count != count || storage.ElementType != type)
            throw at.Corrupt($"storage {key} has two different descriptions");
        if (id.Count < 6 || id[5] is null)
            return storage;

        // A window of the storage that counts as a storage of its own.
        if (id[5] is not CheckpointTuple { Count: 3 } window || window[1] is not long offset || window[2] is not long size)
            throw at.Corrupt($"the view of storage {key} does not have PyTorch's form");
        return CheckpointTensor.View(storage.Name, storage.Storage, type, offset, [size], [1]);
    }

    void PlaceStorage(string key)
    {
        if (!storages.Remove(key, out var storage))
            throw Corrupt($"storage {key} is listed twice or belongs to no tensor");
        var count = BinaryPrimitives.ReadInt64LittleEndian(file.Slice(position, 8));
        if (count != storage.Count)
            throw Corrupt($"storage {key} has {count} elements, not {storage.Count}");
        storage.Storage.Place(file, position + 8);
        position += 8 + storage.ByteLength;
    }

    CorruptCheckpointException Corrupt(string problem) => new(file.Path, problem);
}
