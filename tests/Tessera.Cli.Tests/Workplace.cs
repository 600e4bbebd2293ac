using System.Buffers.Binary;
using System.IO.Compression;

namespace Tessera.Cli.Tests;

/// <summary>A folder with a tiny data set in the format of Fashion-MNIST: class k has a bright row k. It goes away with the test.</summary>
public sealed class Workplace : IDisposable
{
    internal const int Side = 12;
    private const int Classes = 10;

    public Workplace()
    {
        Directory.CreateDirectory(Data);
        WriteSet("train", 160);
        WriteSet("t10k", 40);
    }

    internal string Folder { get; } = Directory.CreateTempSubdirectory("tessera-cli-").FullName;

    internal string Data => Path.Combine(Folder, "data");

    /// <summary>Arguments of a training that takes a second or two.</summary>
    internal string[] Train(params string[] more) =>
        [
            "train",
            "cct/fashion_mnist",
            "--set",
            $"data.root={Data}",
            "--set",
            "data.batch=32",
            "--set",
            "train.threads=1",
            "--set",
            "schedule.epochs=2",
            .. more,
        ];

    internal Ended Run(params string[] arguments) => CommandLineTool.Run(Folder, arguments);

    internal string Write(string name, string content)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, content);
        return path;
    }

    /// <summary>An image of a class as a grey PNG.</summary>
    internal string WriteImage(string name, int label)
    {
        using var file = new MemoryStream();
        file.Write([0x89, .. "PNG\r\n\x1a\n"u8]);
        Chunk(file, "IHDR"u8, [0, 0, 0, Side, 0, 0, 0, Side, 8, 0, 0, 0, 0]);
        using (var data = new MemoryStream())
        {
            using (var packed = new ZLibStream(data, CompressionLevel.Fastest, leaveOpen: true))
            {
                // Each row begins with its filter: 0, none.
                foreach (var row in Image(label, 0).Chunk(Side))
                    packed.Write([0, .. row]);
            }
            Chunk(file, "IDAT"u8, data.ToArray());
        }
        Chunk(file, "IEND"u8, []);
        var path = Path.Combine(Folder, name);
        File.WriteAllBytes(path, file.ToArray());
        return path;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static byte[] Image(int label, int index)
    {
        var image = new byte[Side * Side];
        new Random(index * Classes + label).NextBytes(image);
        for (var i = 0; i < image.Length; i++)
            image[i] = i / Side == label + 1 ? (byte)255 : (byte)(image[i] / 4);
        return image;
    }

    private void WriteSet(string prefix, int count)
    {
        byte[] images =
        [
            0,
            0,
            8,
            3,
            .. BigEndian(count),
            .. BigEndian(Side),
            .. BigEndian(Side),
            .. Enumerable.Range(0, count).SelectMany(i => Image(i % Classes, i)),
        ];
        byte[] labels = [0, 0, 8, 1, .. BigEndian(count), .. Enumerable.Range(0, count).Select(i => (byte)(i % Classes))];
        File.WriteAllBytes(Path.Combine(Data, $"{prefix}-images-idx3-ubyte"), images);
        File.WriteAllBytes(Path.Combine(Data, $"{prefix}-labels-idx1-ubyte"), labels);
    }

    private static void Chunk(Stream file, ReadOnlySpan<byte> type, byte[] content)
    {
        byte[] body = [.. type, .. content];
        file.Write(BigEndian(content.Length));
        file.Write(body);
        file.Write(BigEndian((int)Crc32(body)));
    }

    private static uint Crc32(byte[] bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB88320;
        }
        return ~crc;
    }

    private static byte[] BigEndian(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
