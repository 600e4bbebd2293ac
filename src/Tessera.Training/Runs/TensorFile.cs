using Tessera.Checkpoints;

namespace Tessera.Training;

/// <summary>Named tensors as a safetensors file.</summary>
internal static class TensorFile
{
    internal static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors) => Checkpoint.SaveSafetensors(path, tensors.ToCheckpoint());

    /// <summary>All tensors, on the CPU, owned by the current scope.</summary>
    internal static OrderedDictionary<string, Tensor> Load(string path)
    {
        using var file = Checkpoint.Open(path);
        return file.StateDict().ToTensors();
    }
}
