using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>MNIST and the sets in its form: 60,000 and 10,000 grey images of 28x28 in ten classes.</summary>
internal static class MnistFamily
{
    /// <summary>Where Debian's package dataset-fashion-mnist puts its files.</summary>
    internal const string DebianFolder = "/usr/share/datasets/fashion-mnist";

    internal static DatasetKind FashionMnist { get; } =
        Kind(
            "fashion_mnist",
            "60,000 articles of clothing, 28x28, grey, 10 classes",
            LabelTables.FashionMnist,
            new([0.2860f], [0.3530f]),
            DebianFolder
        );

    internal static DatasetKind Mnist { get; } =
        Kind(
            "mnist",
            "60,000 handwritten digits, 28x28, grey, 10 classes",
            [.. Enumerable.Range(0, 10).Select(digit => $"{digit}")],
            new([0.1307f], [0.3081f])
        );

    internal static DatasetKind Kmnist { get; } =
        Kind(
            "kmnist",
            "60,000 cursive Japanese letters, 28x28, grey, 10 classes",
            ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
            new([0.1918f], [0.3483f])
        );

    private static DatasetKind Kind(
        string name,
        string summary,
        IReadOnlyList<string> classes,
        Normalization normalization,
        string? place = null
    ) =>
        new(
            name,
            summary,
            ["train", "test"],
            name,
            (split, root) =>
            {
                var prefix = split == "train" ? "train" : "t10k";
                var folder = Places.Find(name, root, name, $"{prefix}-images-idx3-ubyte", place is null ? [] : [place]);
                return Read(
                    name,
                    split,
                    PathOf(folder, $"{prefix}-images-idx3-ubyte"),
                    PathOf(folder, $"{prefix}-labels-idx1-ubyte"),
                    classes,
                    normalization
                );
            },
            place
        );

    private static string PathOf(string folder, string file)
    {
        var plain = Path.Combine(folder, file);
        return File.Exists(plain) ? plain : plain + ".gz";
    }

    private static MemoryImages Read(
        string name,
        string split,
        string imageFile,
        string labelFile,
        IReadOnlyList<string> classes,
        Normalization normalization
    )
    {
        var (shape, pixels) = Idx.Read(imageFile, 3);
        var (_, labels) = Idx.Read(labelFile, 1);
        if (labels.Length != shape[0])
            throw new DataFormatException(
                labelFile,
                4,
                $"{labels.Length} labels for the {shape[0]} images of {Path.GetFileName(imageFile)}"
            );
        var wrong = Array.FindIndex(labels, label => label >= classes.Count);
        if (wrong >= 0)
            throw new DataFormatException(labelFile, 8 + wrong, $"label {labels[wrong]}, and it must be from 0 to {classes.Count - 1}");
        return new(name, split, classes, Array.ConvertAll(labels, label => (int)label), pixels, 1, shape[1], shape[2], normalization);
    }
}
