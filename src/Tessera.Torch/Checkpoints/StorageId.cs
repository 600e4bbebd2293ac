namespace Tessera.Checkpoints;

/// <summary>How PyTorch's pickles refer to storages: ('storage', class, key, device, number of elements, ...).</summary>
internal static class StorageId
{
    /// <summary>Element type, key and number of elements; the type is null where it is of a class that is not known.</summary>
    /// <exception cref="ForbiddenPickleException">Strict mode, and the class is not known.</exception>
    public static (ElementType? Type, string Key, long Count) Parse(CheckpointTuple id, string path, bool strict, in PickleCursor at)
    {
        if (id is ["module", GlobalReference module, ..])
            throw new UnsupportedCheckpointException(
                path,
                $"the file holds a whole module of class {module} with its source code; load it in PyTorch and save its state_dict()"
            );
        if (id is not ["storage", GlobalReference global, string key, _, long count, ..])
            throw at.Corrupt("a persistent id does not refer to a storage");
        if (count < 0)
            throw at.Corrupt($"storage {key} declares {count} elements");
        if (Rebuilders.Type(global, out var type))
            return (type, key, count);
        return strict ? throw Forbidden(path, key, global.ToString()) : (null, key, count);
    }

    /// <summary>A storage is of a class whose elements are unknown.</summary>
    public static ForbiddenPickleException Forbidden(string path, string key, string global) =>
        new(path, global, $"storage {key} is of the class {global}, which is not on the allow list");

    /// <summary>A storage as the one-dimensional tensor of its elements.</summary>
    public static CheckpointTensor Whole(string key, CheckpointStorage storage, ElementType type, long count) =>
        CheckpointTensor.View($"storage {key}", storage, type, 0, [count], [1]);
}
