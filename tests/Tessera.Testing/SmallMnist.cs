using System.Buffers.Binary;

namespace Tessera.Testing;

/// <summary>A small data set in the format of MNIST: images of which the rows up to the class are bright.</summary>
public static class SmallMnist
{
    /// <summary>Writes it.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="train">Training images.</param>
    /// <param name="test">Test images.</param>
    public static void Write(string folder, int train = 96, int test = 40)
    {
        Directory.CreateDirectory(folder);
        Write(folder, "train", train);
        Write(folder, "t10k", test);
    }

    /// <summary>A recipe of two epochs on such a folder.</summary>
    /// <param name="folder">The folder.</param>
    public static string Recipe(string folder) =>
        $$"""
            model: { name: cct_2_3x2_32 }
            data: { name: fashion_mnist, batch: 16, root: {{folder}} }
            augment: [ random_horizontal_flip, random_shift: 2 ]
            objective: { name: supervised, smoothing: 0.1 }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2, warmup: 0.5 }
            train: { threads: 1, ema: 0.9, log_every: 2 }
            """;

    private static void Write(string folder, string part, int count)
    {
        var random = new Random(count);
        var labels = Enumerable.Range(0, count).Select(i => (byte)(i % 10)).ToArray();
        var pixels = labels
            .SelectMany(label =>
                Enumerable.Range(0, 784).Select(i => (byte)(i / 28 <= 2 * label ? 200 + random.Next(50) : random.Next(50)))
            )
            .ToArray();
        File.WriteAllBytes(Path.Combine(folder, $"{part}-images-idx3-ubyte"), [.. Numbers(2051, count, 28, 28), .. pixels]);
        File.WriteAllBytes(Path.Combine(folder, $"{part}-labels-idx1-ubyte"), [.. Numbers(2049, count), .. labels]);
    }

    private static IEnumerable<byte> Numbers(params int[] values) =>
        values.SelectMany(value =>
        {
            var bytes = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(bytes, value);
            return bytes;
        });
}
