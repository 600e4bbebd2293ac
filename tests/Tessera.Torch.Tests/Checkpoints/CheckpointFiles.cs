using System.IO.Compression;
using System.Text;
using Tessera.Checkpoints;
using Tessera.Testing;

namespace Tessera.Tests.Checkpoints;

/// <summary>Files to test with: the recorded samples, and ones put together here.</summary>
static class CheckpointFiles
{
    public static string Golden(string name) => Repository.Tests("goldens", "checkpoints", name);

    /// <summary>Text as Latin-1 and numbers as bytes, one after another.</summary>
    public static byte[] Bytes(params object[] parts) =>
        [
            .. parts.SelectMany(part =>
                part switch
                {
                    string text => Encoding.Latin1.GetBytes(text),
                    byte[] bytes => bytes,
                    int number => [checked((byte)number)],
                    _ => throw new ArgumentException($"{part}"),
                }
            ),
        ];

    /// <summary>BINUNICODE of a text.</summary>
    public static byte[] Text(string text) => Bytes("X", BitConverter.GetBytes(text.Length), text);

    /// <summary>BININT of a number.</summary>
    public static byte[] Int(int number) => Bytes("J", BitConverter.GetBytes(number));

    /// <summary>LONG1 of eight bytes.</summary>
    public static byte[] Long(long number) => Bytes(0x8a, 8, BitConverter.GetBytes(number));

    /// <summary>A persistent id of a storage.</summary>
    public static byte[] Storage(string key = "0", string type = "FloatStorage", byte[]? count = null) =>
        Bytes("(", Text("storage"), "ctorch\n", type, "\n", Text(key), Text("cpu"), count ?? Int(4), "tQ");

    /// <summary>A call of _rebuild_tensor_v2.</summary>
    public static byte[] Tensor(byte[] offset, byte[] sizes, byte[] strides, byte[]? storage = null) =>
        Bytes("ctorch._utils\n_rebuild_tensor_v2\n(", storage ?? Storage(), offset, "(", sizes, "t(", strides, "t", 0x89, "}tR");

    /// <summary>A protocol 2 pickle.</summary>
    public static byte[] Pickle(params object[] parts) => Bytes(0x80, 2, Bytes(parts), ".");

    /// <summary>A PyTorch archive of a pickle and one storage of four floats.</summary>
    public static byte[] Torch(
        byte[] pickle,
        CompressionLevel level = CompressionLevel.NoCompression,
        params (string Name, byte[] Bytes)[] more
    ) => Zip(level, [("archive/data.pkl", pickle), ("archive/data/0", new byte[16]), ("archive/version", "3\n"u8.ToArray()), .. more]);

    public static byte[] Zip(CompressionLevel level, params (string Name, byte[] Bytes)[] entries)
    {
        using var buffer = new MemoryStream();
        using (var zip = new ZipArchive(buffer, ZipArchiveMode.Create))
            foreach (var (name, bytes) in entries)
            {
                using var entry = zip.CreateEntry(name, level).Open();
                entry.Write(bytes);
            }
        return buffer.ToArray();
    }

    /// <summary>An .npy file.</summary>
    public static byte[] Npy(string descr, string shape, byte[] data, bool fortran = false)
    {
        var header = $"{{'descr': '{descr}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': {shape}, }}";
        header = header.PadRight((header.Length + 10 + 63) / 64 * 64 - 11) + "\n";
        return Bytes(0x93, "NUMPY", 1, 0, BitConverter.GetBytes((ushort)header.Length), header, data);
    }

    public static byte[] Safetensors(string header, int dataLength) =>
        Bytes(BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(header)), Encoding.UTF8.GetBytes(header), new byte[dataLength]);

    /// <summary>Reads every tensor of a tree.</summary>
    public static long ReadAll(object? value) =>
        value is CheckpointTensor tensor ? tensor.ToContiguousBytes().Length : ValueTree.Children(value).Sum(ReadAll);
}
