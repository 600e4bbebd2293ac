using System.IO.Compression;
using System.Text;

namespace Tessera.Tests.Models;

/// <summary>Writes arrays of float32 the way numpy's savez does: what published JAX weights look like.</summary>
internal static class NumpyArchive
{
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> arrays)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var (name, tensor) in arrays)
        {
            using var entry = zip.CreateEntry($"{name}.npy", CompressionLevel.NoCompression).Open();
            var shape = string.Concat(tensor.Shape.Select(size => $"{size},"));
            var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}".PadRight(117) + "\n";
            entry.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0]);
            entry.Write(Encoding.ASCII.GetBytes(header));
            entry.Write(tensor.Contiguous().ToBytes());
        }
    }
}
