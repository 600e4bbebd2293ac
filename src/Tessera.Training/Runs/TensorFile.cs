using Tessera.Checkpoints;

namespace Tessera.Training;

/// <summary>Named tensors as a safetensors file.</summary>
internal static class TensorFile
{
    internal static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors)
        => Checkpoint.SaveSafetensors(path, tensors.Select(e => KeyValuePair.Create(e.Key, CheckpointTensor.From(e.Value))));

    /// <summary>All tensors of a checkpoint of any format, on the CPU, owned by the current scope.</summary>
    internal static OrderedDictionary<string, Tensor> Load(string path)
    {
        using var file = Checkpoint.Open(path);
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, stored) in file.StateDict()) result.Add(name, stored.ToTensor());
        return result;
    }
}
