using Tessera.Testing;

namespace Tessera.Hosting.Tests;

/// <summary>Folders of small photos that are drawn at random: each class has a colour of its own, in the upper or the lower half.</summary>
internal static class Photos
{
    /// <summary>Classes of which a model of the tests has learned.</summary>
    internal static readonly IReadOnlyList<string> Known = ["brick", "grass", "sky"];

    /// <summary>Classes that are new to it.</summary>
    internal static readonly IReadOnlyList<string> New = ["coal", "lemon", "plum", "snow"];

    private static readonly Dictionary<string, (byte Red, byte Green, byte Blue)> colors = new()
    {
        ["brick"] = (190, 70, 50),
        ["grass"] = (60, 170, 60),
        ["sky"] = (80, 130, 230),
        ["coal"] = (40, 40, 45),
        ["lemon"] = (230, 220, 70),
        ["plum"] = (130, 50, 150),
        ["snow"] = (235, 235, 240),
    };

    /// <summary>Writes <c>train/CLASS</c> and <c>test/CLASS</c>.</summary>
    /// <param name="folder">Where they go.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="train">Images of each class to learn from.</param>
    /// <param name="test">Images of each class to measure on.</param>
    internal static void Write(string folder, IReadOnlyList<string> classes, int train, int test)
    {
        foreach (var (split, count) in new[] { ("train", train), ("test", test) })
        foreach (var name in classes)
            for (var i = 0; i < count; i++)
                WriteFile(Path.Combine(folder, split, name, $"{i:000}.ppm"), name, split.Length * 1000 + i);
    }

    /// <summary>Writes one photo.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">Its class.</param>
    /// <param name="seed">Of size and pixels.</param>
    internal static void WriteFile(string path, string name, int seed)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, Draw(name, seed));
    }

    /// <summary>The bytes of a photo.</summary>
    /// <param name="name">Its class.</param>
    /// <param name="seed">Of size and pixels.</param>
    internal static byte[] Draw(string name, int seed)
    {
        var random = new Random(seed * 7919 + name.Length * 31 + name[0]);
        var (width, height) = (random.Next(32, 56), random.Next(32, 56));
        var (red, green, blue) = colors[name];
        // The rest of the photo is grey of any brightness.
        var (grey, edge, isUpper) = ((byte)random.Next(60, 200), random.Next(height / 4, height * 3 / 4), random.Next(2) == 0);
        var pixels = new byte[width * height * 3];
        for (var i = 0; i < width * height; i++)
        {
            var isColored = i / width < edge == isUpper;
            pixels[3 * i] = Noisy(isColored ? red : grey);
            pixels[3 * i + 1] = Noisy(isColored ? green : grey);
            pixels[3 * i + 2] = Noisy(isColored ? blue : grey);
        }
        return Pnm.Pixels(width, height, pixels);

        byte Noisy(byte value) => (byte)Math.Clamp(value + random.Next(-25, 26), 0, 255);
    }
}
