using System.Numerics;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>Writes an ordered dictionary of tensors as torch.save does, for torch.load(weights_only=True).</summary>
internal static class TorchZipWriter
{
    public static void Write(string path, IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors, CancellationToken stop)
    {
        var entries = new List<(string Name, CheckpointTensor Tensor, int Key)>();
        var names = new HashSet<string>();
        // Tensors that are the same view of the same bytes stay tied.
        var keys = new Dictionary<(CheckpointStorage, ElementType, long, string), int>();
        var storages = new List<CheckpointTensor>();
        foreach (var (name, tensor) in tensors)
        {
            if (!names.Add(name))
                throw new ArgumentException($"{path}: two tensors are called {name}", nameof(tensors));
            if (ElementType.TorchStorageName(tensor.DType) is null)
                throw new UnsupportedElementTypeException(path, name, tensor.ElementTypeName);
            var view = (
                tensor.Storage,
                tensor.ElementType,
                tensor.StorageOffset,
                string.Join(',', tensor.Shape.ToArray()) + ";" + string.Join(',', tensor.Strides.ToArray())
            );
            if (!keys.TryGetValue(view, out var key))
            {
                keys.Add(view, key = storages.Count);
                storages.Add(tensor);
            }
            entries.Add((name, tensor, key));
        }

        var folder = Path.GetFileNameWithoutExtension(path) is { Length: > 0 } stem ? stem : "archive";
        AtomicFile.Write(path, stream =>
        {
            var zip = new AlignedZipWriter(stream);
            zip.Add($"{folder}/data.pkl", Pickle(entries));
            zip.Add($"{folder}/byteorder", "little"u8.ToArray());
            foreach (var (key, tensor) in storages.Index())
                zip.Add($"{folder}/data/{key}", tensor.ByteLength, take => TensorBytes.Write(tensor, take, stop));
            zip.Add($"{folder}/version", "3\n"u8.ToArray());
            zip.Finish();
        });
    }

    static byte[] Pickle(List<(string Name, CheckpointTensor Tensor, int Key)> entries)
    {
        var pickle = new PickleWriter();
        pickle.Op(PickleOp.Proto, 2);
        pickle.EmptyOrderedDict();
        pickle.Op(PickleOp.Mark);
        foreach (var (name, tensor, key) in entries)
        {
            pickle.Text(name);
            pickle.Global("torch._utils", "_rebuild_tensor_v2");
            pickle.Op(PickleOp.Mark);
            pickle.Op(PickleOp.Mark);
            pickle.Text("storage");
            pickle.Global("torch", ElementType.TorchStorageName(tensor.DType)!);
            pickle.Text(key.ToString(System.Globalization.CultureInfo.InvariantCulture));
            pickle.Text("cpu");
            pickle.Integer(tensor.Count);
            pickle.Op(PickleOp.Tuple);
            pickle.Op(PickleOp.BinPersId);
            pickle.Integer(0);
            pickle.Integers(tensor.Shape);
            pickle.Integers(CheckpointTensor.RowMajor(tensor.Shape));
            pickle.Op(PickleOp.NewFalse);
            pickle.EmptyOrderedDict();
            pickle.Op(PickleOp.Tuple);
            pickle.Op(PickleOp.Reduce);
        }
        pickle.Op(PickleOp.SetItems);
        pickle.Op(PickleOp.Stop);
        return pickle.ToArray();
    }

    /// <summary>The few instructions that a state dict takes.</summary>
    sealed class PickleWriter
    {
        readonly List<byte> bytes = [];

        public byte[] ToArray() => [.. bytes];

        public void Op(PickleOp op, params ReadOnlySpan<byte> argument)
        {
            bytes.Add((byte)op);
            bytes.AddRange(argument);
        }

        public void Text(string text)
        {
            var encoded = Encoding.UTF8.GetBytes(text);
            Op(PickleOp.BinUnicode, BitConverter.GetBytes(encoded.Length));
            bytes.AddRange(encoded);
        }

        public void Global(string module, string name) => Op(PickleOp.Global, Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

        public void EmptyOrderedDict()
        {
            Global("collections", "OrderedDict");
            Op(PickleOp.EmptyTuple);
            Op(PickleOp.Reduce);
        }

        public void Integer(long value)
        {
            if (value is >= int.MinValue and <= int.MaxValue)
            {
                Op(PickleOp.BinInt, BitConverter.GetBytes((int)value));
                return;
            }
            var wide = new BigInteger(value).ToByteArray();
            Op(PickleOp.Long1, [(byte)wide.Length, .. wide]);
        }

        public void Integers(ReadOnlySpan<long> values)
        {
            Op(PickleOp.Mark);
            foreach (var value in values)
                Integer(value);
            Op(PickleOp.Tuple);
        }
    }
}
