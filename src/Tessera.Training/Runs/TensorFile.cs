using Tessera.Checkpoints;

namespace Tessera.Training.Runs;

/// <summary>Named tensors as a safetensors file.</summary>
internal static class TensorFile
{
    internal static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors) =>
        Checkpoint.SaveSafetensors(path, tensors.ToCheckpoint());

    /// <summary>All tensors under the very names that they were saved by, on the CPU, owned by the current scope.</summary>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    internal static OrderedDictionary<string, Tensor> Load(string path)
    {
        using var file = Checkpoint.Open(path);
        var result = new OrderedDictionary<string, Tensor>();
        if (file.Root is CheckpointDictionary entries)
            foreach (var (name, value) in entries)
                if (name is string text && value is CheckpointTensor stored)
                    result.Add(text, stored.ToTensor());
        return result;
    }
}
