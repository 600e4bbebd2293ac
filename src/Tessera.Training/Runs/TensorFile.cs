using Tessera.Checkpoints;

namespace Tessera.Training;

/// <summary>Named tensors as a safetensors file.</summary>
internal static class TensorFile
{
    internal static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors)
        => Checkpoint.SaveSafetensors(path, tensors.Select(e => KeyValuePair.Create(e.Key, CheckpointTensor.FromBytes(e.Value.DType, e.Value.ToBytes(), e.Value.Shape.AsSpan()))));

    /// <summary>All tensors of a checkpoint of any format, on the CPU, owned by the current scope.</summary>
    internal static OrderedDictionary<string, Tensor> Load(string path)
    {
        using var file = Checkpoint.Open(path);
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, stored) in file.StateDict()) result.Add(name, Read(stored));
        return result;
    }

    private static unsafe Tensor Read(CheckpointTensor stored)
    {
        var tensor = Torch.Empty(new IntList(stored.Shape), stored.DType);
        // An empty tensor has no memory to copy to.
        if (stored.Count > 0) stored.CopyTo((byte*)tensor.DataAddress, stored.ByteLength);
        GC.KeepAlive(tensor);
        return tensor;
    }
}
