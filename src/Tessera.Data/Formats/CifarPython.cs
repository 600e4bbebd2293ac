using Tessera.Checkpoints;

namespace Tessera.Data.Formats;

/// <summary>The Python version of CIFAR: pickled dictionaries of pixels and labels, read without running any code.</summary>
internal static class CifarPython
{
    /// <summary>Reads files one after the other.</summary>
    /// <param name="paths">Pickle files.</param>
    /// <param name="labelKey"><c>labels</c> for CIFAR-10; <c>fine_labels</c> or <c>coarse_labels</c> for CIFAR-100.</param>
    /// <param name="classes">Number of classes.</param>
    /// <returns>Labels, and pixels [N, 3, 32, 32].</returns>
    /// <exception cref="DataFormatException">Not such a file, or one that would run code.</exception>
    public static (int[] Labels, byte[] Pixels) Read(IReadOnlyList<string> paths, string labelKey, int classes)
    {
        var (labels, pixels) = (new List<int>(), new List<byte[]>());
        foreach (var path in paths)
        {
            try
            {
                using var checkpoint = Checkpoint.Open(path);
                if (checkpoint.Root is not CheckpointDictionary dictionary)
                    throw new DataFormatException(path, null, "not a dictionary");
                if (
                    !dictionary.TryGetValue("data", out var data)
                    || data is not CheckpointTensor { DType: DType.UInt8 } tensor
                    || tensor.Shape.Length != 2
                    || tensor.Shape[1] != CifarBinary.ImageSize
                )
                    throw new DataFormatException(path, null, $"no entry 'data' of N x {CifarBinary.ImageSize} bytes");
                if (!dictionary.TryGetValue(labelKey, out var values) || values is not List<object?> list || list.Count != tensor.Shape[0])
                    throw new DataFormatException(path, null, $"no entry '{labelKey}' with {tensor.Shape[0]} labels");
                pixels.Add(tensor.ToContiguousBytes());
                foreach (var value in list)
                    labels.Add(
                        value is long label && label >= 0 && label < classes
                            ? (int)label
                            : throw new DataFormatException(path, null, $"label {value}, and it must be from 0 to {classes - 1}")
                    );
            }
            catch (Exception error) when (error is CheckpointException or FileNotFoundException)
            {
                throw new DataException(error.Message, error);
            }
        }
        return ([.. labels], pixels.Count == 1 ? pixels[0] : [.. pixels.SelectMany(block => block)]);
    }
}
